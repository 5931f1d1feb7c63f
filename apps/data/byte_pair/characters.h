// Characters of UTF-8 text, and what kind they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lookback::byte_pair {

// How many bytes at the start of a text are whole characters of UTF-8; and how many are no part of
// one, up to where the next begins.
std::size_t valid_bytes(std::string_view text);
std::size_t invalid_bytes(std::string_view text);

struct Character {
  char32_t code;
  std::size_t bytes;
};
// Of valid UTF-8 that is not empty.
Character first_character(std::string_view text);
Character last_character(std::string_view text);

// Unicode's property White_Space.
bool is_white_space(char32_t code);
// Alphabetic, a mark, a decimal digit, a connector such as _, or a joiner: Unicode's \w (UTS 18).
bool is_word(char32_t code);

}  // namespace lookback::byte_pair
