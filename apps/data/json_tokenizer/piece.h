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
  // Whether it goes on with a piece that was cut at a seam (seam.h): nothing is put in front of it,
  // nothing is taken away there.
  bool goes_on = false;

  Piece part(std::size_t begin, std::size_t end) const {
    const auto size = end - begin;
    return {text.substr(begin, size), std::min(size, at_start - std::min(begin, at_start)),
            goes_on && begin == 0};
  }
};

using PieceSink = std::function<void(Piece)>;

}  // namespace lookback::json_tokenizer
