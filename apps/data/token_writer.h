// A .bin of tokens as llm.c writes it, and its description beside it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/data/token_description.h"
#include "runtime/replacing_file.h"

namespace lookback {

// The header is 256 int32: 20240520, 1, how many tokens follow, each uint16; or 20240801, 7 and
// uint32. The file and its description appear when both are whole.
class TokenWriter {
 public:
  // uint16 for a vocabulary of up to 65,536.
  TokenWriter(std::string path, const Tokenizer& tokenizer);

  // Throws Error beyond 2^31 - 1 tokens, which the header cannot say.
  void add(std::span<const std::uint32_t> tokens);
  void end_documents(std::int64_t count) { description_.documents += count; }
  const TokenDescription& description() const { return description_; }
  void commit();

 private:
  std::string path_;
  TokenDescription description_;
  ReplacingFile file_;
  std::vector<std::byte> bytes_;
};

}  // namespace lookback
