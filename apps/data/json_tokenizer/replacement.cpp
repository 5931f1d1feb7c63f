#include "apps/data/json_tokenizer/replacement.h"

#include <algorithm>
#include <nlohmann/json.hpp>

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
