// Hugging Face's tokenizer.json: BPE over bytes (GPT-2, Llama 3, Qwen, StarCoder), BPE over
// characters with bytes for the rest (Llama 2, Mistral, Gemma), and Unigram (T5, XLNet, ALBERT).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/data/tokenizer.h"

namespace lookback {

// encode() gives what the Python library `tokenizers` does with add_special_tokens=False: added
// tokens ("<|endoftext|>", special or not) in the text are found, and none is added;
// post_processor, truncation and padding are not read. What would change ids in a way that cannot
// be followed is refused by name; so is text with a character that has no token where the library
// drops it (no unk_token). Bytes that are no UTF-8, which the library cannot be given, are words of
// their own in a tokenizer over bytes, and U+FFFD each in others.
//
// decode() of a tokenizer over bytes joins the tokens' bytes: without a normalizer, a prefix space
// and white space that added tokens or a Split strip, decode(encode(text)) == text. Others do what
// the key "decoder" says, as the library does. An added token is its content; ids that no token has
// are nothing. vocabulary_size() is the largest id + 1. name() is the path. document_end() is the
// eos_token of the tokenizer_config.json beside the file, where it is a token.
//
// Unicode's tables are those of PCRE2 and utf8proc; the library brings its own. Where one is newer
// than the other, characters that came in between may get other ids: rare scripts, some emoji.
// Encoding takes O(n log n). One tokenizer may be used by several threads; words are remembered
// from one text to the next. A long text is encoded on all threads, in parts whose ids are those of
// the whole, if the file's steps let that be shown (json_tokenizer/seam.h); else on one.

// Throws Error that names the file, the key, what is wrong and what would be right.
std::shared_ptr<const Tokenizer> read_json_tokenizer(const std::string& path);

// The same from memory: `path` is for errors and name(); `config`, the text of a
// tokenizer_config.json.
std::shared_ptr<const Tokenizer> parse_json_tokenizer(
    std::string_view json, const std::string& path,
    std::optional<std::string_view> config = std::nullopt);

}  // namespace lookback
