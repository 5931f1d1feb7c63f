// Characters of UTF-8 text, and what kind they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lookback::json_tokenizer {

// How many bytes at the start of a text are whole characters of UTF-8; and how many are no part of
// one, up to where the next begins.
std::size_t valid_bytes(std::string_view text);
std::size_t invalid_bytes(std::string_view text);

// U+2581, which SentencePiece writes for a space.
inline constexpr std::string_view space_mark = "\xe2\x96\x81";

// The same text in UTF-8: each byte that is no part of a character becomes U+FFFD.
std::string in_utf8(std::string_view text);

struct Character {
  char32_t code;
  std::size_t bytes;
};
// Of valid UTF-8 that is not empty.
Character first_character(std::string_view text);
Character last_character(std::string_view text);

bool is_one_character(std::string_view text);

// Appends a character, a code point of Unicode.
void append_character(std::string& text, char32_t code);

// Unicode's property White_Space.
bool is_white_space(char32_t code);
// How many bytes of it a text, valid UTF-8, begins or ends with.
std::size_t white_space_at_start(std::string_view text);
std::size_t white_space_at_end(std::string_view text);
// Alphabetic, a mark, a decimal digit, a connector such as _, or a joiner: Unicode's \w (UTS 18).
bool is_word(char32_t code);
// A mark of any kind: accents, vowel signs, circles around letters.
bool is_mark(char32_t code);

}  // namespace lookback::json_tokenizer
