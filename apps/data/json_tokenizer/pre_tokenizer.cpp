#include "apps/data/json_tokenizer/pre_tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apps/data/json_tokenizer/space_steps.h"
#include "apps/data/json_tokenizer/split_step.h"

namespace lookback::json_tokenizer {
namespace {

// Split by split: each calls the next.
constexpr std::size_t max_step_count = 64;

}  // namespace

PreTokenizer::PreTokenizer(const std::optional<JsonValue>& description) {
  if (description) read_step(*description);
}

void PreTokenizer::read_step(const JsonValue& description) {
  const auto type = description.type(
      {"ByteLevel", "Split", "Digits", "Metaspace", "WhitespaceSplit", "Sequence"});
  if (unit_ == WordUnit::byte) {
    description.refuse("ByteLevel must come last, and stands before this");
  }
  if (steps_.size() >= max_step_count)
    description.refuse("at most {} steps can be read", max_step_count);
  if (type == "Sequence") {
    read_sequence(description);
  } else if (type == "ByteLevel") {
    read_byte_level(description);
  } else {
    steps_.push_back(type == "Split"       ? read_split(description)
                     : type == "Digits"    ? read_digits(description)
                     : type == "Metaspace" ? read_metaspace(description)
                                           : white_space_split());
  }
}

void PreTokenizer::read_byte_level(const JsonValue& description) {
  unit_ = WordUnit::byte;
  if (description.member("add_prefix_space", "true or false is needed").truth()) {
    steps_.push_back(prefix_space());
  }
  const auto use_regex = description.find("use_regex");
  if (!use_regex || use_regex->truth()) steps_.push_back(gpt2_split(description.where()));
}

void PreTokenizer::read_sequence(const JsonValue& description) {
  const auto list = description.member("pretokenizers", "a Sequence has a list of them");
  const auto count = list.list_size("the steps of a Sequence");
  for (std::size_t i = 0; i < count; ++i) read_step(list.element(i));
}

AtSeam PreTokenizer::at(Seam& seam, MatchMemory& memory) const {
  for (const auto& step : steps_)
    if (const auto result = step->at(seam, memory); result != AtSeam::kept) return result;
  return AtSeam::kept;
}

void PreTokenizer::split_from(std::size_t step, Piece piece, MatchMemory& memory,
                              const PieceSink& word) const {
  if (step == steps_.size()) return word(piece);
  if (step + 1 == steps_.size()) return steps_[step]->split(piece, memory, word);
  steps_[step]->split(piece, memory,
                      [&, step](Piece part) { split_from(step + 1, part, memory, word); });
}

}  // namespace lookback::json_tokenizer
