// What lies beside a .bin that `lookback tokenize` wrote, X.bin.json: what its tokens are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/data/token_type.h"
#include "apps/data/tokenizer.h"
#include "runtime/checksum.h"

namespace lookback {

struct TokenDescription {
  TokenType dtype = TokenType::uint16;
  std::int64_t tokens = 0, documents = 0;
  std::string tokenizer = {};  // its file's name
  Checksum tokenizer_checksum = {};
  std::int64_t vocabulary_size = 0;
};

// Where the description of a .bin lies.
std::string description_path(const std::string& bin);

std::string to_json(const TokenDescription& description);
// None: there is none. Throws Error for one that is malformed.
std::optional<TokenDescription> read_token_description(const std::string& bin);

// Of a tokenizer's file.
Checksum tokenizer_checksum(const std::string& path);

// Throws Error where a .bin is described as the tokens of another tokenizer than this one, a file.
void check_tokenizer_of(const std::string& bin, const Tokenizer& tokenizer);

}  // namespace lookback
