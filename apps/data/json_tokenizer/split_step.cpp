#include "apps/data/json_tokenizer/split_step.h"

#include <utility>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/pattern_shape.h"
#include "apps/data/json_tokenizer/pattern_syntax.h"

namespace lookback::json_tokenizer {
namespace {

constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Behavior read_behavior(const JsonValue& description) {
  constexpr std::string_view rule =
      "Removed, Isolated, Contiguous, MergedWithPrevious and MergedWithNext can be read";
  const auto behavior = description.member("behavior", rule);
  const auto& name = behavior.text();
  if (name == "Removed") return Behavior::removed;
  if (name == "Isolated") return Behavior::isolated;
  if (name == "Contiguous") return Behavior::contiguous;
  if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
  if (name == "MergedWithNext") return Behavior::merged_with_next;
  behavior.refuse("{}", rule);
}

}  // namespace

std::unique_ptr<const PreTokenizerStep> read_split(const JsonValue& description) {
  auto pattern = Pattern::read(description);
  const auto behavior = read_behavior(description);
  const bool inverted = description.member("invert", "true or false is needed").truth();
  return std::make_unique<SplitStep>(std::move(pattern), behavior,
                                     inverted ? Inverted::yes : Inverted::no);
}

std::unique_ptr<const PreTokenizerStep> read_digits(const JsonValue& description) {
  const bool single = description.member("individual_digits", "true or false is needed").truth();
  return std::make_unique<SplitStep>(Pattern("\\p{N}", description.where()),
                                     single ? Behavior::isolated : Behavior::contiguous,
                                     Inverted::no);
}

std::unique_ptr<const PreTokenizerStep> gpt2_split(std::string where) {
  return std::make_unique<SplitStep>(Pattern(gpt2_pattern, std::move(where)), Behavior::isolated,
                                     Inverted::no);
}

// Joins matches and what lies between them, as the behavior says, one piece behind.
class SplitStep::Merging {
 public:
  Merging(Behavior wanted, Piece whole, const PieceSink& sink)
      : behavior_(wanted), whole_(whole), sink_(sink) {}

  void add(std::size_t begin, std::size_t end, bool is_match) {
    const bool joins = waiting_ && joins_last(is_match);
    if (joins) {
      last_.end = end;
    } else {
      flush();
      last_ = {begin, end};
      waiting_ = behavior_ != Behavior::removed || !is_match;
    }
    last_is_match_ = is_match;
  }
  void flush() {
    if (waiting_ && last_.begin < last_.end) sink_(whole_.part(last_.begin, last_.end));
    waiting_ = false;
  }

 private:
  bool joins_last(bool is_match) const {
    switch (behavior_) {
      case Behavior::contiguous: return is_match == last_is_match_;
      case Behavior::merged_with_previous: return is_match && !last_is_match_;
      case Behavior::merged_with_next: return !is_match && last_is_match_;
      default: return false;
    }
  }

  Behavior behavior_;
  Piece whole_;
  const PieceSink& sink_;
  Pattern::Range last_{0, 0};
  bool waiting_ = false, last_is_match_ = false;
};

void SplitStep::split(Piece piece, MatchMemory& memory, const PieceSink& sink) const {
  Merging merging(behavior_, piece, sink);
  std::size_t done = 0;
  pattern_.find_all(piece.text, memory, [&](std::size_t begin, std::size_t end) {
    if (done < begin) merging.add(done, begin, inverted_);
    merging.add(begin, end, !inverted_);
    done = end;
  });
  if (done < piece.text.size()) merging.add(done, piece.text.size(), inverted_);
  merging.flush();
}

// Then the one before a seam is in a match, which ends there.
bool SplitStep::matches_every_letter(MatchMemory& memory) const {
  for (std::string_view rest = seam_letters(); !rest.empty();) {
    const auto letter = rest.substr(0, first_character(rest).bytes);
    Pattern::Range found{0, 0};
    if (!pattern_.find(letter, 0, memory, found) || found.begin != 0 || found.end != letter.size())
      return false;
    rest.remove_prefix(letter.size());
  }
  return true;
}

// No match reaches across. Where matches are not joined with what is beside them, one that ends at
// the seam is a cut; joined or not, what lies between matches may go on across it.
AtSeam SplitStep::at(Seam& seam, MatchMemory& memory) const {
  const auto shape = shape_at(pattern_.written(), seam);
  if (!shape || shape->may_be_empty) return AtSeam::unknown;
  return behavior_ == Behavior::isolated && matches_every_letter(memory) ? AtSeam::parted
                                                                         : AtSeam::kept;
}

}  // namespace lookback::json_tokenizer
