// Tokenizers that Google's SentencePiece trained: Llama 1 and 2, Mistral, Gemma, T5. Unigram or
// BPE.
//
// Kudo and Richardson, SentencePiece: A simple and language independent subword tokenizer, 2018.
#pragma once

#include <memory>
#include <string>

#include "apps/data/tokenizer.h"

namespace lookback {

// Reads a .model file and what stands beside it (tokenizer_config.h). The ids are those of
// transformers' AutoTokenizer for these files, without a token for a text's beginning or end: its
// fast tokenizer, which differs from its slow one and from SentencePiece in what notes() says.
// Where no file beside it speaks of Llama's class, a model keeps its own normalization and space in
// front. Control symbols, user-defined ones and added tokens are found in a text wherever they
// stand (<s>, <|im_start|>); all between is SentencePiece's, each part by itself. document_end() is
// the eos_token of the tokenizer_config.json beside it, or else the model's end-of-sentence piece.
// Bytes that are no UTF-8 become U+FFFD. Long texts are encoded in pieces on all threads, where
// that changes no token. Throws Error for a file that is none, for what tokens_beside() refuses,
// and in a build without SentencePiece (the portable one).
std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path);

}  // namespace lookback
