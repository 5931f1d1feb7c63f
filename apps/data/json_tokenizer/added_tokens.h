// Tokens that are found in a text as they stand, before it is split into words: "<|endoftext|>".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/piece.h"
#include "apps/data/json_tokenizer/seam.h"
#include "apps/data/json_tokenizer/token_trie.h"

namespace lookback::json_tokenizer {

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
std::vector<AddedToken> read_added_tokens(const std::optional<JsonValue>& list, const Model& model);

// Finds them: from the left, the longest of those that begin at the same place.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  using Token = std::function<void(std::int64_t)>;
  // Calls `between` and `token` for what a piece (valid UTF-8) is made of, in order.
  void split(Piece piece, const PieceSink& between, const Token& token) const;
  // Whether the same is found in a text that is cut at the seam, and no token reaches across it or
  // ends there.
  bool keeps(const Seam& seam) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;
  const AddedToken* find(std::string_view text, std::size_t& begin) const;

  std::vector<AddedToken> tokens_;
  TokenTrie trie_;                  // to the place in tokens_
  std::array<bool, 256> begins_{};  // whether a token begins with this byte
};

}  // namespace lookback::json_tokenizer
