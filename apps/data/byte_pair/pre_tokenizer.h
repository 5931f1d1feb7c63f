// Splits text into words, each of which is then encoded by itself: the key "pre_tokenizer".
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "apps/data/byte_pair/json_value.h"
#include "apps/data/byte_pair/pattern.h"

namespace lookback::byte_pair {

class PreTokenizer {
 public:
  // ByteLevel, or a Sequence of Split, Digits and, at its end, ByteLevel. Throws Error for others.
  explicit PreTokenizer(const JsonValue& description);

  using Word = std::function<void(std::string_view)>;
  // Calls `word` with what `text` (valid UTF-8) is split into, in order. With add_prefix_space or a
  // behavior that removes, that is not the text itself.
  void split(std::string_view text, MatchMemory& memory, const Word& word) const {
    split_from(0, text, memory, word);
  }

 private:
  // What becomes of the matches, as the library `tokenizers` names it.
  enum class Behavior { removed, isolated, contiguous, merged_with_previous, merged_with_next };
  struct Split {
    Pattern pattern;
    Behavior behavior;
    bool invert;  // what lies between matches is a match, and the other way round
  };
  struct Step {
    std::optional<Split> split;
    bool adds_space;  // in front of a text that does not begin with one
  };
  class Merging;

  void read_step(const JsonValue& description);
  void read_sequence(const JsonValue& description);
  static Split read_split(const JsonValue& description);
  void split_from(std::size_t step, std::string_view text, MatchMemory& memory,
                  const Word& word) const;
  static void split_at_matches(const Split& split, std::string_view text, MatchMemory& memory,
                               const Word& piece);

  std::vector<Step> steps_;
  bool at_bytes_ = false;  // ByteLevel has been read
};

}  // namespace lookback::byte_pair
