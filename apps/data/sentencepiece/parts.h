// A text in parts that can be encoded by themselves, in the ids of the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/data/json_tokenizer/characters.h"

namespace lookback::sentencepiece_model {

using json_tokenizer::space_mark;

// Part of a text, or a token that was found in it.
struct Part {
  std::string_view text;
  bool is_first = true;  // of what the model is to see as one text
  std::optional<std::int64_t> token = {};
};

// Before what a text may be cut, behind what is no white space, because no piece reaches across.
struct Cuts {
  bool before_lines = false, before_spaces = false;
  bool at_words = false;  // at every such place: the pieces of a word are those of its text alone
  std::size_t part_bytes() const { return std::size_t{1} << (at_words ? 16 : 14); }
};

// Where the first cut is that leaves at least so many bytes, or where the text ends.
std::size_t next_cut(std::string_view text, std::size_t at_least, const Cuts& cuts);

// Whether `mark` stands behind something else in `piece`.
bool stands_within(std::string_view piece, std::string_view mark);

// With space_mark for each space.
std::string with_marks(std::string_view text);

// SentencePiece joins unknown pieces that follow each other; so must who joins parts of a text.
template <class To, class From>
void append_joined(std::vector<To>& ids, const From& more, int unknown) {
  const std::span found(more);
  const bool joins =
      !ids.empty() && !found.empty() && ids.back() == unknown && found.front() == unknown;
  ids.insert(ids.end(), found.begin() + (joins ? 1 : 0), found.end());
}

// The pieces of words that were met before.
class WordMemory {
 public:
  // Until the next call.
  const std::vector<int>& of(std::string_view word,
                             const std::function<std::vector<int>(std::string_view)>& encode);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>{}(word);
    }
  };
  std::unordered_map<std::string, std::vector<int>, Hash, std::equal_to<>> seen_;
  std::vector<int> last_;
};

}  // namespace lookback::sentencepiece_model
