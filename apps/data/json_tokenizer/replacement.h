// Replace, which normalizers and decoders have: every match of a pattern becomes one text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/seam.h"

namespace lookback::json_tokenizer {

class Replacement {
 public:
  // The keys "pattern", {"String": ".."} or {"Regex": ".."}, and "content".
  explicit Replacement(const JsonValue& description);

  // Appends `text` (valid UTF-8) with its matches replaced to `out`. Of the bytes before `at_start`
  // and what replaces them, how many there are afterwards: a replacement belongs where the last
  // byte of its match does.
  std::size_t apply(std::string_view text, std::size_t at_start, MatchMemory& memory,
                    std::string& out) const;

  // As a step of a normalizer does (normalizer.h).
  bool keeps(Seam& seam) const;

 private:
  template <class Found>
  void find_all(std::string_view text, MatchMemory& memory, const Found& found) const;

  std::string literal_;  // searched for as it is, unless it is empty
  std::optional<Pattern> pattern_;
  std::string content_;
};

}  // namespace lookback::json_tokenizer
