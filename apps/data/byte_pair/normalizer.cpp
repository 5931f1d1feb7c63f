#include "apps/data/byte_pair/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

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

std::string in_form(std::string_view text, int form) {
  utf8proc_uint8_t* written = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &written,
                                 static_cast<utf8proc_option_t>(form));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(written, std::free);
  if (size < 0) {
    fail(operation, "{} bytes of text cannot be normalised: {}", text.size(),
         utf8proc_errmsg(size));
  }
  return {reinterpret_cast<const char*>(written), static_cast<std::size_t>(size)};
}

}  // namespace

Normalizer::Normalizer(const std::optional<JsonValue>& description) {
  if (description) read_forms(*description, forms);
}

std::string_view Normalizer::normalized(std::string_view text, std::string& buffer) const {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (forms.empty() || std::ranges::all_of(text, is_ascii)) return text;
  for (const int form : forms) {
    buffer = in_form(text, form);
    text = buffer;
  }
  return text;
}

}  // namespace lookback::byte_pair
