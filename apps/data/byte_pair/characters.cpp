#include "apps/data/byte_pair/characters.h"

#include <utf8proc.h>

namespace lookback::byte_pair {
namespace {

// The character at the start of the text; `bytes` is 0 where there is none.
Character read_character(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  if (!text.empty() && bytes[0] < 0x80) return {bytes[0], 1};
  utf8proc_int32_t code = -1;
  const auto length =
      text.empty() ? 0 : utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (length <= 0) return {0, 0};
  return {static_cast<char32_t>(code), static_cast<std::size_t>(length)};
}

}  // namespace

std::size_t valid_bytes(std::string_view text) {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const auto length = read_character(text.substr(valid)).bytes;
    if (length == 0) break;
    valid += length;
  }
  return valid;
}

std::size_t invalid_bytes(std::string_view text) {
  std::size_t invalid = 0;
  while (invalid < text.size() && read_character(text.substr(invalid)).bytes == 0) ++invalid;
  return invalid;
}

Character first_character(std::string_view text) { return read_character(text); }

Character last_character(std::string_view text) {
  auto begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return read_character(text.substr(begin));
}

bool is_white_space(char32_t code) {
  return (0x09 <= code && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (0x2000 <= code && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

bool is_word(char32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: break;
  }
  const auto between = [code](char32_t first, char32_t last) {
    return first <= code && code <= last;
  };
  // Joiners, and letters in circles and squares: alphabetic symbols.
  return between(0x200c, 0x200d) || between(0x24b6, 0x24e9) || between(0x1f130, 0x1f149) ||
         between(0x1f150, 0x1f169) || between(0x1f170, 0x1f189);
}

}  // namespace lookback::byte_pair
