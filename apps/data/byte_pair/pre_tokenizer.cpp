#include "apps/data/byte_pair/pre_tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apps/data/byte_pair/characters.h"
#include "apps/data/byte_pair/pattern_syntax.h"

namespace lookback::byte_pair {
namespace {

// Of GPT-2, which ByteLevel splits by unless told otherwise.
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Split by split: each calls the next.
constexpr std::size_t max_step_count = 64;

}  // namespace

PreTokenizer::PreTokenizer(const JsonValue& description) {
  read_step(description);
  if (!at_bytes_) {
    description.refuse("byte-level BPE is what can be read, and ByteLevel is nowhere in it");
  }
}

void PreTokenizer::read_step(const JsonValue& description) {
  const auto type = description.type({"ByteLevel", "Split", "Digits", "Sequence"});
  if (at_bytes_) description.refuse("ByteLevel must come last, and stands before this");
  if (steps_.size() >= max_step_count)
    description.refuse("at most {} steps can be read", max_step_count);
  if (type == "Sequence") {
    read_sequence(description);
  } else if (type == "Split") {
    steps_.push_back({read_split(description), false});
  } else if (type == "Digits") {
    const bool individual =
        description.member("individual_digits", "true or false is needed").truth();
    steps_.push_back({Split{Pattern("\\p{N}", description.where()),
                            individual ? Behavior::isolated : Behavior::contiguous, false},
                      false});
  } else {
    at_bytes_ = true;
    const bool adds_space =
        description.member("add_prefix_space", "true or false is needed").truth();
    const auto use_regex = description.find("use_regex");
    Step step{.split = std::nullopt, .adds_space = adds_space};
    if (!use_regex || use_regex->truth()) {
      step.split = Split{Pattern(gpt2_pattern, description.where()), Behavior::isolated, false};
    }
    steps_.push_back(std::move(step));
  }
}

void PreTokenizer::read_sequence(const JsonValue& description) {
  const auto list = description.member("pretokenizers", "a Sequence has a list of them");
  const auto count = list.list_size("the steps of a Sequence");
  for (std::size_t i = 0; i < count; ++i) read_step(list.element(i));
}

PreTokenizer::Split PreTokenizer::read_split(const JsonValue& description) {
  constexpr std::string_view pattern_rule = R"(must be {"Regex": ".."} or {"String": ".."})";
  const auto pattern = description.member("pattern", pattern_rule);
  const auto regex = pattern.find("Regex"), string = pattern.find("String");
  if (regex.has_value() == string.has_value()) pattern.refuse("{}", pattern_rule);
  const auto& value = regex ? *regex : *string;

  constexpr std::string_view behavior_rule =
      "Removed, Isolated, Contiguous, MergedWithPrevious and MergedWithNext can be read";
  const auto behavior = description.member("behavior", behavior_rule);
  const auto& name = behavior.text();
  const auto kind = name == "Removed"              ? Behavior::removed
                    : name == "Isolated"           ? Behavior::isolated
                    : name == "Contiguous"         ? Behavior::contiguous
                    : name == "MergedWithPrevious" ? Behavior::merged_with_previous
                                                   : Behavior::merged_with_next;
  if (kind == Behavior::merged_with_next && name != "MergedWithNext")
    behavior.refuse("{}", behavior_rule);
  return {Pattern(regex ? value.text() : quoted_pattern(value.text()), value.where()), kind,
          description.member("invert", "true or false is needed").truth()};
}

// Joins matches and what lies between them, as the behavior says, one piece behind.
class PreTokenizer::Merging {
 public:
  Merging(Behavior wanted, std::string_view whole, const Word& sink)
      : behavior_(wanted), text_(whole), piece_(sink) {}

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
    if (waiting_ && last_.begin < last_.end)
      piece_(text_.substr(last_.begin, last_.end - last_.begin));
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
  std::string_view text_;
  const Word& piece_;
  Pattern::Range last_{0, 0};
  bool waiting_ = false, last_is_match_ = false;
};

void PreTokenizer::split_at_matches(const Split& split, std::string_view text, MatchMemory& memory,
                                    const Word& piece) {
  Merging merging(split.behavior, text, piece);
  Pattern::Range match{0, 0};
  std::size_t done = 0, from = 0;
  bool matched = false;  // before, up to `done`
  while (from <= text.size() && split.pattern.find(text, from, memory, match)) {
    // No empty match stands directly behind another match.
    if (matched && match.begin == match.end && match.end == done) {
      from += from < text.size() ? first_character(text.substr(from)).bytes : 1;
      continue;
    }
    if (done < match.begin) merging.add(done, match.begin, split.invert);
    merging.add(match.begin, match.end, !split.invert);
    done = from = match.end;
    matched = true;
  }
  if (done < text.size()) merging.add(done, text.size(), split.invert);
  merging.flush();
}

void PreTokenizer::split_from(std::size_t step, std::string_view text, MatchMemory& memory,
                              const Word& word) const {
  if (step == steps_.size()) return word(text);
  const auto& [split, adds_space] = steps_[step];
  std::string with_space;
  if (adds_space && !text.starts_with(' ')) {
    with_space.reserve(text.size() + 1);
    with_space += ' ';
    with_space += text;
    text = with_space;
  }
  if (!split) return split_from(step + 1, text, memory, word);
  if (step + 1 == steps_.size()) return split_at_matches(*split, text, memory, word);
  split_at_matches(*split, text, memory, [&, step](std::string_view piece) {
    split_from(step + 1, piece, memory, word);
  });
}

}  // namespace lookback::byte_pair
