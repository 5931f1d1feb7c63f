// What can be told of a regular expression's matches at a seam without running it.
#pragma once

#include <optional>
#include <string_view>

#include "apps/data/json_tokenizer/seam.h"

namespace lookback::json_tokenizer {

struct PatternShape {
  bool may_be_empty = false;      // a match
  bool matches_letters = false;   // whether a match may hold letters of seams
  bool may_begin_behind = false;  // with seam.behind
};

// Of a pattern that Pattern can read, in Oniguruma's syntax. Where there is an answer,
//   - no match holds a letter and, directly behind it, seam.behind: none reaches across the seam;
//   - what is matched before the seam is the same if the text ends there: no part of the pattern
//     looks behind, and those that look ahead, (?!\S), see no difference between white space and
//     the end;
//   - so a search that goes on at the seam finds what one that begins there does.
// None: that cannot be told.
std::optional<PatternShape> shape_at(std::string_view written, const Seam& seam);

}  // namespace lookback::json_tokenizer
