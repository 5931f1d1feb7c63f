#include "apps/data/json_tokenizer/seam.h"

#include <algorithm>

#include "apps/data/json_tokenizer/characters.h"

namespace lookback::json_tokenizer {
namespace {

struct Range {
  char32_t first, last;
};
// Without those that normalization takes apart (U+0419, U+0439: a letter and a mark).
constexpr std::array<Range, 11> ranges = {{{'A', 'Z'},
                                           {'a', 'z'},
                                           {0x391, 0x3a1},
                                           {0x3a3, 0x3a9},
                                           {0x3b1, 0x3c9},
                                           {0x410, 0x418},
                                           {0x41a, 0x438},
                                           {0x43a, 0x44f},
                                           {0x5d0, 0x5ea},
                                           {0x627, 0x63a},
                                           {0x641, 0x64a}}};

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The letter that ends at `end`: how many bytes it has; 0: there is none. A first byte of two is
// never part of what stands before it, so that this holds in text that is no UTF-8 too.
std::size_t letter_before(std::string_view text, std::size_t end) {
  const std::size_t bytes = end >= 2 && is_continuation(text[end - 1]) ? 2 : 1;
  if (end < bytes) return 0;
  const auto letter = text.substr(end - bytes, bytes);
  if (valid_bytes(letter) != bytes || !is_seam_letter(first_character(letter).code)) return 0;
  return bytes;
}

bool begins_with_letter(std::string_view text) {
  if (text.empty()) return false;
  const auto character = text.substr(0, static_cast<unsigned char>(text[0]) < 0x80 ? 1 : 2);
  return valid_bytes(character) == character.size() &&
         is_seam_letter(first_character(character).code);
}

}  // namespace

bool is_seam_letter(char32_t code) {
  return std::ranges::any_of(
      ranges, [code](const Range& range) { return range.first <= code && code <= range.last; });
}

bool holds_seam_letter(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(first_character(text).bytes))
    if (is_seam_letter(first_character(text).code)) return true;
  return false;
}

const std::string& seam_letters() {
  static const std::string letters = [] {
    std::string all;
    for (const auto& range : ranges)
      for (auto code = range.first; code <= range.last; ++code) append_character(all, code);
    return all;
  }();
  return letters;
}

bool is_inert(std::string_view behind) {
  return behind == space_mark ||
         (behind.size() == 1 && static_cast<unsigned char>(behind[0]) < 0x80 && behind[0] != '\r');
}

bool Seams::is_at(std::string_view text, std::size_t at) const {
  const char behind = text[at];
  if (!(behind == ' ' && spaces_) && !(behind == '\n' && lines_)) return false;
  const auto last = letter_before(text, at);
  return last > 0 && letter_before(text, at - last) > 0 && begins_with_letter(text.substr(at + 1));
}

std::optional<std::size_t> Seams::first(std::string_view text, std::size_t from) const {
  if (!spaces_ && !lines_) return std::nullopt;
  for (auto at = from; at < text.size(); ++at)
    if (is_at(text, at)) return at;
  return std::nullopt;
}

std::optional<std::size_t> Seams::last(std::string_view text) const {
  if (!spaces_ && !lines_) return std::nullopt;
  for (auto at = text.size(); at > 0;)
    if (is_at(text, --at)) return at;
  return std::nullopt;
}

}  // namespace lookback::json_tokenizer
