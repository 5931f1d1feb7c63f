// Whether this build lacks SentencePiece (the portable one), for tests that need it.
#pragma once

#include <optional>
#include <string>

#include "apps/data/tokenizer_file.h"
#include "runtime/error.h"

namespace lookback::tests {

// What reading a good model says there; none: the build has it. Another failure is thrown on.
inline std::optional<std::string> no_sentencepiece(const std::string& good_model) {
  try {
    read_tokenizer(good_model);
  } catch (const Error& error) {
    const std::string why = error.what();
    if (why.find("has no SentencePiece") != std::string::npos) return why;
    throw;
  }
  return std::nullopt;
}

}  // namespace lookback::tests
