// Hugging Face's tokenizer.json with byte-level BPE: GPT-2, Llama 3, Qwen, StarCoder and their kin.
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
// be followed is refused by name. Bytes that are no UTF-8, which the library cannot be given, are
// words of their own: without a normalizer, a prefix space and white space that added tokens or a
// Split strip, decode(encode(text)) == text. decode() joins the tokens' bytes; an added token is
// its content; ids that no token has are nothing. vocabulary_size() is the largest id + 1. name()
// is the path. document_end() is the eos_token of the tokenizer_config.json beside the file, where
// it is a token.
//
// Unicode's tables are those of PCRE2 and utf8proc; the library brings its own. Where one is newer
// than the other, characters that came in between may get other ids: rare scripts, some emoji.
// Encoding takes O(n log n); one tokenizer may be used by several threads.

// Throws Error that names the file, the key, what is wrong and what would be right.
std::shared_ptr<const Tokenizer> read_byte_pair_tokenizer(const std::string& path);

// The same from memory: `path` is for errors and name(); `config`, the text of a
// tokenizer_config.json.
std::shared_ptr<const Tokenizer> parse_byte_pair_tokenizer(
    std::string_view json, const std::string& path,
    std::optional<std::string_view> config = std::nullopt);

}  // namespace lookback
