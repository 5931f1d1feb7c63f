#include "apps/data/json_tokenizer/byte_letters.h"

#include <array>
#include <cstddef>

#include "apps/data/json_tokenizer/characters.h"

namespace lookback::json_tokenizer {
namespace {

constexpr std::size_t letter_count = 0x144;  // the code point after the last letter's

struct Letters {
  std::array<std::string, 256> of_byte;
  std::array<int, letter_count> byte_of;  // by code point; -1: no letter
};

bool stands_for_itself(std::size_t byte) {
  return (0x21 <= byte && byte <= 0x7e) || (0xa1 <= byte && byte != 0xad);
}

// All letters are below U+0800: one or two bytes.
std::string in_utf8(std::size_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

const Letters& letters_and_bytes() {
  static const Letters letters = [] {
    Letters made;
    made.byte_of.fill(-1);
    std::size_t next = 0x100;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto code = stands_for_itself(byte) ? byte : next++;
      made.of_byte[byte] = in_utf8(code);
      made.byte_of[code] = static_cast<int>(byte);
    }
    return made;
  }();
  return letters;
}

}  // namespace

const std::string& letter_of(unsigned char byte) { return letters_and_bytes().of_byte[byte]; }

std::optional<std::string> bytes_of(std::string_view letters) {
  const auto& known = letters_and_bytes().byte_of;
  std::string bytes;
  bytes.reserve(letters.size());
  while (!letters.empty()) {
    const auto letter = first_character(letters);
    if (letter.code >= letter_count || known[letter.code] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(known[letter.code]));
    letters.remove_prefix(letter.bytes);
  }
  return bytes;
}

}  // namespace lookback::json_tokenizer
