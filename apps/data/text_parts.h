// A plain text, a part at a time: for files larger than memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/tokenizer.h"

namespace lookback {

inline constexpr std::size_t text_part_bytes = std::size_t{16} << 20;

struct TextPart {
  std::string_view text;
  std::size_t first_byte = 0;  // in the file
  bool is_last = false;

  std::vector<std::int64_t> encoded(const Tokenizer& tokenizer) const {
    return first_byte == 0 ? tokenizer.encode(text) : tokenizer.encode_rest(text, first_byte);
  }
};

// Calls body with the parts of a file in order, cut where the tokenizer can cut a text: of about
// `part_bytes`, longer where there is no such place, up to the whole file. The same ones each time.
void each_part_of_text(const std::string& path, const Tokenizer& tokenizer,
                       const std::function<void(const TextPart&)>& body,
                       std::size_t part_bytes = text_part_bytes);
// The same of a text in memory.
void each_part_in_memory(std::string_view text, const Tokenizer& tokenizer,
                         const std::function<void(const TextPart&)>& body,
                         std::size_t part_bytes = text_part_bytes);

}  // namespace lookback
