#include "apps/data/json_tokenizer/normalizer.h"

#include <algorithm>
#include <utility>

#include "apps/data/json_tokenizer/character_map.h"
#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/normal_forms.h"
#include "apps/data/json_tokenizer/text_changes.h"

namespace lookback::json_tokenizer {

Normalizer::Normalizer(const std::optional<JsonValue>& description) {
  if (description) read_step(*description);
}

void Normalizer::read_step(const JsonValue& description) {
  const auto type = description.type({"NFC", "NFD", "NFKC", "NFKD", "Precompiled", "Lowercase",
                                      "StripAccents", "Strip", "Replace", "Prepend", "Sequence"});
  if (type == "Sequence") {
    const auto list = description.member("normalizers", "a Sequence has a list of them");
    const auto count = list.list_size("the normalizers of a Sequence");
    for (std::size_t i = 0; i < count; ++i) read_step(list.element(i));
  } else {
    steps_.push_back(type == "Precompiled"    ? read_character_map(description)
                     : type == "Lowercase"    ? lowercase()
                     : type == "StripAccents" ? strip_accents()
                     : type == "Strip"        ? read_strip(description)
                     : type == "Replace"      ? read_replace(description)
                     : type == "Prepend"      ? read_prepend(description)
                                              : normal_form(type));
  }
}

bool keeps_character_by_character(const NormalizerStep& step, Seam& seam, MatchMemory& memory) {
  std::string changed;
  const auto becomes = [&](std::string_view character) {
    Piece piece{character};
    return step.apply(piece, changed, memory) ? std::string(changed) : std::string(character);
  };
  for (std::string_view rest = seam_letters(); !rest.empty();) {
    const auto bytes = first_character(rest).bytes;
    const auto letter = becomes(rest.substr(0, bytes));
    if (!is_one_character(letter) || !is_seam_letter(first_character(letter).code)) return false;
    rest.remove_prefix(bytes);
  }
  seam.behind = becomes(seam.behind);
  return is_one_character(seam.behind);
}

bool Normalizer::keeps(Seam& seam, MatchMemory& memory) const {
  return std::ranges::all_of(steps_, [&](const auto& step) { return step->keeps(seam, memory); });
}

Piece Normalizer::normalized(Piece piece, std::string& buffer, MatchMemory& memory) const {
  std::string changed;
  for (const auto& step : steps_) {
    if (piece.text.empty()) break;
    if (!step->apply(piece, changed, memory)) continue;
    buffer.swap(changed);
    piece.text = buffer;
  }
  return piece;
}

}  // namespace lookback::json_tokenizer
