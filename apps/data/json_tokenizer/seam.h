// Where a text may be cut so that its parts have, one after another, the tokens of the whole.
//
// A seam is a place before one character, a space or a line break, that stands between letters:
// "of| the". So little happens there that each step of a tokenizer can say what it does to it:
// before every step and after, a letter stands before the seam, and one character, which is known,
// behind.
// Where a step cannot say so, there are no seams.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lookback::json_tokenizer {

// The letters, one after another in UTF-8: of the Latin, Greek, Cyrillic, Hebrew and Arabic
// alphabets, one or two bytes each. They are those that no form of Unicode's normalization changes
// or joins with what stands beside them, and each is a grapheme cluster of its own.
const std::string& seam_letters();
bool is_seam_letter(char32_t code);
bool holds_seam_letter(std::string_view text);

// What a text may be cut before, as it is written.
inline constexpr std::array<char, 2> seam_characters = {' ', '\n'};

// A seam, as the steps so far have left it.
struct Seam {
  std::string behind;          // one character
  bool letter_follows = true;  // it, as in the text: two letters, seam, `behind`, letter
};

// Whether this is a single character that normalization leaves alone whatever letter is beside it,
// and that is a grapheme cluster of its own there.
bool is_inert(std::string_view behind);

// Before which characters a text may be cut.
class Seams {
 public:
  void allow(char behind) { (behind == ' ' ? spaces_ : lines_) = true; }
  // The first seam at `from` or later; none: there is none.
  std::optional<std::size_t> first(std::string_view text, std::size_t from) const;
  std::optional<std::size_t> last(std::string_view text) const;

 private:
  bool is_at(std::string_view text, std::size_t at) const;

  bool spaces_ = false, lines_ = false;
};

}  // namespace lookback::json_tokenizer
