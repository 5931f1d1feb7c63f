// What was encoded once, kept for the next start: in the user's cache folder.
//
// $XDG_CACHE_HOME/lookback/tokens, or else ~/.cache/lookback/tokens. A file's name is the checksum
// of all that its tokens depend on: the text, where its documents end, the tokenizer and what
// stands beside it, the tokens in front. Nothing in it is believed without its checksum; a file
// that is damaged, cannot be read or cannot be written changes nothing but how long a start takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "apps/data/encode_documents.h"
#include "apps/data/tokenizer.h"

namespace lookback {

struct TokenCacheLimits {
  std::int64_t least_text_bytes = std::int64_t{1} << 20;  // shorter texts are encoded at once
  // Of all files together; those that were used least recently go first. 0: there is no cache.
  std::int64_t most_bytes = std::int64_t{4} << 30;
};

// The variable LOOKBACK_TOKEN_CACHE: `off`, or how many bytes may be kept. Throws Error on any
// other value.
TokenCacheLimits token_cache_limits();

// Where the files lie; none: neither variable names a folder.
std::optional<std::filesystem::path> token_cache_folder();

// encode_documents(), or what it gave for the same arguments before.
EncodedText cached_encoding(std::string_view text, std::span<const std::int64_t> ends,
                            const Tokenizer& tokenizer, const EncodingOptions& options);

}  // namespace lookback
