#include "apps/data/sentencepiece/parts.h"

namespace lookback::sentencepiece_model {
namespace {

bool ends_with_space(std::string_view text) {
  const auto last = text.back();
  return last == ' ' || last == '\n' || last == '\r' || last == '\t' || text.ends_with(space_mark);
}

}  // namespace

std::size_t next_cut(std::string_view text, std::size_t at_least, const Cuts& cuts) {
  for (auto at = at_least; at < text.size(); ++at) {
    const bool may_be =
        (cuts.before_spaces && text[at] == ' ') || (cuts.before_lines && text[at] == '\n');
    if (may_be && !ends_with_space(text.substr(0, at))) return at;
  }
  return text.size();
}

bool stands_within(std::string_view piece, std::string_view mark) {
  while (piece.starts_with(mark)) piece.remove_prefix(mark.size());
  return piece.find(mark) != std::string_view::npos;
}

std::string with_marks(std::string_view text) {
  std::string marked;
  for (const char c : text) {
    if (c == ' ') {
      marked += space_mark;
    } else {
      marked += c;
    }
  }
  return marked;
}

const std::vector<int>& WordMemory::of(
    std::string_view word, const std::function<std::vector<int>(std::string_view)>& encode) {
  constexpr std::size_t longest = 64, most = 1 << 18;
  if (const auto known = seen_.find(word); known != seen_.end()) return known->second;
  if (word.size() > longest) return last_ = encode(word);
  if (seen_.size() >= most) seen_.clear();  // words that come often come again soon
  return seen_.emplace(word, encode(word)).first->second;
}

}  // namespace lookback::sentencepiece_model
