// Pre-tokenizers that cut at the matches of a regular expression: Split, Digits, and the pattern
// of ByteLevel.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/pre_tokenizer.h"

namespace lookback::json_tokenizer {

// What becomes of the matches, as the library `tokenizers` names it.
enum class Behavior { removed, isolated, contiguous, merged_with_previous, merged_with_next };
// Whether what lies between the matches is a match, and the other way round.
enum class Inverted { no, yes };

class SplitStep final : public PreTokenizerStep {
 public:
  SplitStep(Pattern pattern, Behavior behavior, Inverted inverted)
      : pattern_(std::move(pattern)), behavior_(behavior), inverted_(inverted == Inverted::yes) {}

  void split(Piece piece, MatchMemory& memory, const PieceSink& sink) const override;
  AtSeam at(Seam& seam, MatchMemory& memory) const override;

 private:
  bool matches_every_letter(MatchMemory& memory) const;
  class Merging;

  Pattern pattern_;
  Behavior behavior_;
  bool inverted_;
};

std::unique_ptr<const PreTokenizerStep> read_split(const JsonValue& description);
std::unique_ptr<const PreTokenizerStep> read_digits(const JsonValue& description);
// As GPT-2 does. `where` is for errors.
std::unique_ptr<const PreTokenizerStep> gpt2_split(std::string where);

}  // namespace lookback::json_tokenizer
