// GPT-2's alphabet: each byte as one printable letter, which is how byte-level BPE writes its
// tokens
// ("Ġthe" is " the"). Printable Latin-1 stands for itself, other bytes for U+0100 upwards.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lookback::json_tokenizer {

// The letter of a byte, in UTF-8.
const std::string& letter_of(unsigned char byte);

// The bytes that letters stand for; none where a character is no letter. `letters` is UTF-8.
std::optional<std::string> bytes_of(std::string_view letters);

}  // namespace lookback::json_tokenizer
