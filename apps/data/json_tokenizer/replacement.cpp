#include "apps/data/json_tokenizer/replacement.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/pattern_shape.h"

namespace lookback::json_tokenizer {

Replacement::Replacement(const JsonValue& description)
    : content_(description.member("content", "what matches are replaced by").text()) {
  const auto pattern = description.find("pattern");
  const auto string = pattern ? pattern->find("String") : std::nullopt;
  if (string && !string->text().empty() && !pattern->find("Regex")) {
    literal_ = string->text();
  } else {
    pattern_ = Pattern::read(description);
  }
}

template <class Found>
void Replacement::find_all(std::string_view text, MatchMemory& memory, const Found& found) const {
  if (pattern_) return pattern_->find_all(text, memory, found);
  for (auto begin = text.find(literal_); begin != std::string_view::npos;) {
    found(begin, begin + literal_.size());
    begin = text.find(literal_, begin + literal_.size());
  }
}

// No match may hold a letter: then none reaches across the seam.
bool Replacement::keeps(Seam& seam) const {
  bool begins_there = false;
  if (pattern_) {
    const auto shape = shape_at(pattern_->written(), seam);
    if (!shape || shape->may_be_empty || shape->matches_letters) return false;
    begins_there = shape->may_begin_behind;
  } else {
    if (holds_seam_letter(literal_)) return false;
    begins_there = literal_.starts_with(seam.behind);
  }
  if (!begins_there || content_ == seam.behind) return true;
  // A longer match would be found in some places and not in others.
  if (literal_ != seam.behind) return false;
  seam.behind = content_;
  return is_one_character(seam.behind);
}

std::size_t Replacement::apply(std::string_view text, std::size_t at_start, MatchMemory& memory,
                               std::string& out) const {
  out.reserve(out.size() + text.size() + text.size() / 2);
  const auto before = out.size();
  std::size_t done = 0, now_at_start = 0;
  const auto copy_until = [&](std::size_t end) {
    out += text.substr(done, end - done);
    if (done < at_start) now_at_start = out.size() - before - (end - std::min(end, at_start));
  };
  find_all(text, memory, [&](std::size_t begin, std::size_t end) {
    copy_until(begin);
    out += content_;
    if (at_start > 0 && end <= at_start) now_at_start = out.size() - before;
    done = end;
  });
  copy_until(text.size());
  return now_at_start;
}

}  // namespace lookback::json_tokenizer
