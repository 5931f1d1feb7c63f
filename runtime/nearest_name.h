// "unknown X: did you mean Y?": the known name that a wrong one was probably meant to be.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace lookback {

// Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and
// swaps of neighbors, each 1; - and _ count as the same letter.
std::size_t edit_distance(std::string_view a, std::string_view b);

// Whether one is probably the other with a slip: at most two edits and a third of its letters, or a
// fifth of them.
bool is_slip(std::string_view wrong, std::string_view known);

// The known name with the smallest edit distance, the first of equals; empty for no names at all.
template <class Names>
std::string nearest_name(std::string_view wrong, const Names& known) {
  const auto nearer = [&](const auto& a, const auto& b) {
    return edit_distance(wrong, a) < edit_distance(wrong, b);
  };
  const auto found = std::min_element(std::begin(known), std::end(known), nearer);
  return found == std::end(known) ? std::string() : std::string(*found);
}

// The nearest of them where the wrong one is a slip of it; empty: it is another word.
template <class Names>
std::string name_meant(std::string_view wrong, const Names& known) {
  auto nearest = nearest_name(wrong, known);
  return is_slip(wrong, nearest) ? nearest : std::string();
}

}  // namespace lookback
