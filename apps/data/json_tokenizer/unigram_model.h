// The most probable tokens of a word, each with a probability of its own: the path of the largest
// sum of scores. (Kudo, Subword Regularization, 2018.)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/token_trie.h"

namespace lookback::json_tokenizer {

class UnigramModel final : public Model {
 public:
  // The key "model". Throws Error for what does not hold together.
  explicit UnigramModel(const JsonValue& description);

  // In O(n) for a word of n bytes, times the longest token's. A character that is no token is the
  // unknown token, 10 below the lowest score; several such are one. With byte_fallback they are
  // the tokens of their bytes.
  std::size_t encode(std::string_view word, WordMemory& memory,
                     std::vector<std::int64_t>& tokens) const override;
  std::size_t size() const override { return tokens_.size(); }
  std::optional<std::int64_t> find(const std::string& token) const override;
  void visit(const Visitor& visitor) const override;

 private:
  struct Token {
    std::string text;
    double score;
  };
  void read_vocabulary(const JsonValue& list);
  std::size_t find_path(std::string_view word, std::vector<WordMemory::Step>& steps) const;
  void add_unknown(std::string_view run, std::vector<std::int64_t>& tokens) const;

  std::vector<Token> tokens_;
  TokenTrie trie_;
  std::int32_t unknown_ = TokenTrie::none;
  double unknown_score_ = 0;
  // The tokens <0x00> to <0xFF>, with byte_fallback.
  std::array<std::int32_t, 256> bytes_;
};

}  // namespace lookback::json_tokenizer
