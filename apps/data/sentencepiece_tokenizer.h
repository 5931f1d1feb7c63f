// Tokenizers that Google's SentencePiece trained: Llama 1 and 2, Mistral, Gemma, T5. Unigram or
// BPE.
//
// Kudo and Richardson, SentencePiece: A simple and language independent subword tokenizer, 2018.
#pragma once

#include <memory>
#include <string>

#include "apps/data/tokenizer.h"

namespace lookback {

// Reads a .model file. Its ids are SentencePiece's own for the whole text, without a token for its
// beginning or its end; control symbols written out in a text (<s>) are text. document_end() is the
// model's end-of-sentence piece. Bytes that are no UTF-8 become U+FFFD. Long texts are encoded in
// pieces on all threads, where that changes no token. Throws Error for a file that is none, and in
// a build without SentencePiece (the portable one).
std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path);

}  // namespace lookback
