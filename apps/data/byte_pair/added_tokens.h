// Tokens that are found in a text as they stand, before it is split into words: "<|endoftext|>".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/data/byte_pair/json_value.h"

namespace lookback::byte_pair {

struct AddedToken {
  std::string content;
  std::int64_t id = 0;
  bool single_word = false;  // only where no letter or digit stands beside it
  bool left_strip = false;   // takes the white space before it along
  bool right_strip = false;
  bool normalized = false;  // looked for in the normalized text
};

// The list "added_tokens". The library that reads such files gives a token the id that the
// vocabulary has for it, or the next free one: throws Error where the file says another.
std::vector<AddedToken> read_added_tokens(
    const std::optional<JsonValue>& list,
    const std::unordered_map<std::string, std::int64_t>& vocabulary);

// Finds them: from the left, the longest of those that begin at the same place.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);
  AddedTokenFinder(AddedTokenFinder&&) = default;

  using Text = std::function<void(std::string_view)>;
  using Token = std::function<void(std::int64_t)>;
  // Calls `text` and `token` for what a text (valid UTF-8) is made of, in order.
  void split(std::string_view text, const Text& between, const Token& token) const;

 private:
  // A trie of their bytes: node 0 is the start of each.
  struct Node {
    std::vector<std::pair<char, std::size_t>> next;
    const AddedToken* token = nullptr;  // that ends here
    const std::size_t* child(char byte) const;
  };
  void insert(const AddedToken& token);
  const AddedToken* longest_at(std::string_view text) const;
  const AddedToken* find(std::string_view text, std::size_t& begin) const;

  std::vector<AddedToken> owned_;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_{};  // whether a token begins with this byte
};

}  // namespace lookback::byte_pair
