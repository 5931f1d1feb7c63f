#include "apps/data/json_tokenizer/characters.h"

#include <utf8proc.h>

#include <array>

namespace lookback::json_tokenizer {
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

std::string in_utf8(std::string_view text) {
  std::string written;
  written.reserve(text.size());
  while (!text.empty()) {
    const auto valid = valid_bytes(text);
    written += text.substr(0, valid);
    text.remove_prefix(valid);
    const auto invalid = invalid_bytes(text);
    for (std::size_t i = 0; i < invalid; ++i) append_character(written, 0xfffd);
    text.remove_prefix(invalid);
  }
  return written;
}

void append_character(std::string& text, char32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count));
}

bool is_one_character(std::string_view text) {
  return !text.empty() && read_character(text).bytes == text.size();
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

std::size_t white_space_at_end(std::string_view text) {
  const auto size = text.size();
  while (!text.empty()) {
    const auto character = last_character(text);
    if (!is_white_space(character.code)) break;
    text.remove_suffix(character.bytes);
  }
  return size - text.size();
}

std::size_t white_space_at_start(std::string_view text) {
  const auto size = text.size();
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!is_white_space(character.code)) break;
    text.remove_prefix(character.bytes);
  }
  return size - text.size();
}

bool is_mark(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

bool is_word(char32_t code) {
  if (is_mark(code)) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
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

}  // namespace lookback::json_tokenizer
