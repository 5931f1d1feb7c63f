#include "apps/data/byte_pair/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "apps/data/byte_pair/characters.h"
#include "runtime/check.h"

namespace lookback::byte_pair {
namespace {

int form_of(std::string_view type) {
  constexpr int compose = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  constexpr int decompose = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (type == "NFC") return compose;
  if (type == "NFD") return decompose;
  return UTF8PROC_COMPAT | (type == "NFKC" ? compose : decompose);
}

void read_forms(const JsonValue& description, std::vector<int>& forms) {
  const auto type = description.type({"NFC", "NFD", "NFKC", "NFKD", "Sequence"});
  if (type != "Sequence") {
    forms.push_back(form_of(type));
    return;
  }
  const auto list = description.member("normalizers", "a Sequence has a list of them");
  const auto count = list.list_size("the normalizers of a Sequence");
  for (std::size_t i = 0; i < count; ++i) read_forms(list.element(i), forms);
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
  for (const auto code : codes) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto count = utf8proc_encode_char(code, bytes.data());
    written.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count));
  }
  return written;
}

}  // namespace

Normalizer::Normalizer(const std::optional<JsonValue>& description) {
  if (description) read_forms(*description, forms_);
}

std::string_view Normalizer::normalized(std::string_view text, std::string& buffer) const {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (forms_.empty() || std::ranges::all_of(text, is_ascii)) return text;
  for (const int form : forms_) {
    buffer = in_form(text, form);
    text = buffer;
  }
  return text;
}

}  // namespace lookback::byte_pair
