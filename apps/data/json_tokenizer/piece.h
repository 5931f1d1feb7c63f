// A part of a text on its way to tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string_view>

namespace lookback::json_tokenizer {

struct Piece {
  std::string_view text;
  // How many of its bytes, from the first, were made of the first character of the whole text:
  // where a space is put in front of the text alone, it is put in front of pieces that have some.
  std::size_t at_start = 0;

  Piece part(std::size_t begin, std::size_t end) const {
    const auto size = end - begin;
    return {text.substr(begin, size), std::min(size, at_start - std::min(begin, at_start))};
  }
};

using PieceSink = std::function<void(Piece)>;

}  // namespace lookback::json_tokenizer
