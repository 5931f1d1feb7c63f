// From words to tokens: the key "model" of a tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/seam.h"

namespace lookback::json_tokenizer {

// Words are encoded in this memory: one for many words, of one thread.
struct WordMemory {
  // A token of the word so far (byte_pair_model.cpp); tokens that a merge took away have id -1.
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;  // -1: none
  };
  // Two neighbors that can be merged; `order` is the merge's rank and where the first stands.
  struct Candidate {
    std::uint64_t order;
    std::int32_t merged;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
  // The best way to a place in the word (unigram_model.cpp).
  struct Step {
    double score;
    std::int32_t id;
    std::uint32_t size;  // of the last token in bytes; 0: no way leads here
  };
  std::vector<Step> steps;
  std::vector<std::size_t> ends;
};

// What the words of a model are made of: bytes, as ByteLevel splits, or characters of UTF-8.
enum class WordUnit { byte, character };

class Model {
 public:
  virtual ~Model() = default;

  // Appends the tokens of a word. Returns the size of the word, or where in it a character stands
  // that has no token.
  virtual std::size_t encode(std::string_view word, WordMemory& memory,
                             std::vector<std::int64_t>& tokens) const = 0;
  // How many bytes at the start of a word, which is not empty, get the tokens that they would get
  // by themselves; so does the rest.
  virtual std::size_t first_part(std::string_view word) const { return word.size(); }
  // Whether a word is in such parts that one begins at every seam.
  virtual bool parts_at(const Seam& /*seam*/) const { return false; }

  // How many tokens the vocabulary has, a token's id, and each token as the file writes it.
  virtual std::size_t size() const = 0;
  virtual std::optional<std::int64_t> find(const std::string& token) const = 0;
  using Visitor = std::function<void(const std::string& token, std::int64_t id)>;
  virtual void visit(const Visitor& visitor) const = 0;
};

// BPE or Unigram. Throws Error for others, and for what does not hold together.
std::unique_ptr<const Model> read_model(const JsonValue& description, WordUnit unit);

// How a vocabulary writes a byte that stands for itself: <0x0A>.
std::string byte_token(unsigned char byte);

}  // namespace lookback::json_tokenizer
