#include "apps/data/json_tokenizer/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

int form_of(std::string_view type) {
  constexpr int compose = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  constexpr int decompose = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (type == "NFC") return compose;
  if (type == "NFD") return decompose;
  return UTF8PROC_COMPAT | (type == "NFKC" ? compose : decompose);
}

using Codes = std::vector<utf8proc_int32_t>;

// utf8proc's own call for a whole text sorts marks by swapping neighbors: a minute for 200 KB of
// marks. This one takes it apart character by character, and sorts in O(n log n).
Codes decomposed(std::string_view text, utf8proc_option_t form) {
  std::array<utf8proc_int32_t, 32> parts{};  // 18 is the most that a character has
  Codes codes;
  codes.reserve(text.size());
  while (!text.empty()) {
    const auto character = first_character(text);
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character.code), parts.data(),
                                static_cast<utf8proc_ssize_t>(parts.size()), form, &boundary);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(parts.size())) {
      fail(operation, "U+{:04X} cannot be normalized", static_cast<std::uint32_t>(character.code));
    }
    codes.insert(codes.end(), parts.begin(), parts.begin() + count);
    text.remove_prefix(character.bytes);
  }
  return codes;
}

// Marks that follow a character stand in the order of their classes.
void sort_marks(Codes& codes) {
  const auto mark_class = [](utf8proc_int32_t code) {
    return utf8proc_get_property(code)->combining_class;
  };
  const auto is_mark = [&](utf8proc_int32_t code) { return mark_class(code) != 0; };
  for (auto begin = codes.begin(); begin != codes.end();) {
    begin = std::find_if(begin, codes.end(), is_mark);
    const auto end = std::find_if_not(begin, codes.end(), is_mark);
    std::ranges::stable_sort(begin, end, {}, mark_class);
    begin = end;
  }
}

std::string in_form(std::string_view text, int form_options) {
  const auto form = static_cast<utf8proc_option_t>(form_options);
  auto codes = decomposed(text, form);
  sort_marks(codes);
  if ((form_options & UTF8PROC_COMPOSE) != 0) {
    const auto size =
        utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), form);
    if (size < 0) fail(operation, "text cannot be normalized: {}", utf8proc_errmsg(size));
    codes.resize(static_cast<std::size_t>(size));
  }
  std::string written;
  written.reserve(text.size());
  for (const auto code : codes) append_character(written, static_cast<char32_t>(code));
  return written;
}

class NormalForm final : public NormalizerStep {
 public:
  explicit NormalForm(int form) : form_(form) {}

  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (std::ranges::all_of(piece.text, is_ascii)) return false;
    out = in_form(piece.text, form_);
    piece.at_start =
        std::min(out.size(), in_form(piece.text.substr(0, piece.at_start), form_).size());
    // A mark that follows may have made another character of the first, of more bytes.
    while (piece.at_start < out.size() &&
           (static_cast<unsigned char>(out[piece.at_start]) & 0xc0) == 0x80)
      ++piece.at_start;
    return true;
  }

  // The letter behind may be joined with a mark that follows it.
  bool keeps(Seam& seam, MatchMemory& /*memory*/) const override {
    if ((form_ & UTF8PROC_COMPOSE) != 0) seam.letter_follows = false;
    return is_inert(seam.behind);
  }

 private:
  int form_;
};

}  // namespace

std::unique_ptr<const NormalizerStep> normal_form(std::string_view name) {
  return std::make_unique<NormalForm>(form_of(name));
}

}  // namespace lookback::json_tokenizer
