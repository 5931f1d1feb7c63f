// Unicode's normal forms, as the key "normalizer" of a tokenizer.json asks for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/byte_pair/json_value.h"

namespace lookback::byte_pair {

class Normalizer {
 public:
  // none, NFC, NFD, NFKC, NFKD, or a Sequence of those. Throws Error for others.
  explicit Normalizer(const std::optional<JsonValue>& description);

  // `text`, valid UTF-8, in the normal form: itself, or a view of `buffer`.
  std::string_view normalized(std::string_view text, std::string& buffer) const;

 private:
  std::vector<int> forms_;  // as utf8proc's options, one after the other
};

}  // namespace lookback::byte_pair
