#include "apps/data/json_tokenizer/token_trie.h"

namespace lookback::json_tokenizer {

void TokenTrie::add(std::string_view token, std::int32_t id) {
  auto* node = &first_[static_cast<unsigned char>(token[0])];
  for (const char byte : token.substr(1)) {
    if (node->is_leaf) {
      node->is_leaf = false;
      node->number = count_++;
    }
    node = &nodes_[key_of(node->number, byte)];
  }
  node->id = id;
}

std::optional<std::int32_t> TokenTrie::find(std::string_view text) const {
  std::optional<std::int32_t> whole;
  prefixes(text, [&](std::size_t size, std::int32_t id) {
    if (size == text.size()) whole = id;
  });
  return whole;
}

}  // namespace lookback::json_tokenizer
