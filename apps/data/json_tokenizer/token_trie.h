// Tokens by their bytes: which of them stand at a place of a text, one byte after another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "apps/data/json_tokenizer/flat_map.h"

namespace lookback::json_tokenizer {

class TokenTrie {
 public:
  static constexpr std::int32_t none = -1;

  // A token that is not empty. Of two equal ones the last counts.
  void add(std::string_view token, std::int32_t id);

  // Calls found(size, id) for every token that `text` begins with, the shortest first.
  template <class Found>
  void prefixes(std::string_view text, const Found& found) const {
    if (text.empty()) return;
    const auto* node = &first_[static_cast<unsigned char>(text[0])];
    for (std::size_t size = 1;; ++size) {
      if (node->id != none) found(size, node->id);
      if (node->is_leaf || size == text.size()) return;
      node = nodes_.find(key_of(node->number, text[size]));
      if (!node) return;
    }
  }

  // The token that is the whole text.
  std::optional<std::int32_t> find(std::string_view text) const;

 private:
  struct Node {
    std::int32_t id = none;  // of the token that ends here
    std::uint32_t number = 0;
    bool is_leaf = true;
  };
  static std::uint64_t key_of(std::uint32_t number, char byte) {
    return static_cast<std::uint64_t>(number) << 8 | static_cast<unsigned char>(byte);
  }

  std::array<Node, 256> first_;  // for each first byte
  FlatMap<Node> nodes_;          // by the node above and the byte
  std::uint32_t count_ = 0;      // of nodes that have others below them
};

}  // namespace lookback::json_tokenizer
