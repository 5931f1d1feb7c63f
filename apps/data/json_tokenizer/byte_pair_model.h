// Byte pair encoding of one word: its bytes or characters, then again and again the two neighbors
// that were learned to belong together first. (Sennrich et al. 2016; over bytes: GPT-2, Radford et
// al. 2019; over characters, with bytes for those that are no token: SentencePiece.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/flat_map.h"
#include "apps/data/json_tokenizer/model.h"

namespace lookback::json_tokenizer {

class BytePairModel final : public Model {
 public:
  // The key "model". Throws Error for what cannot be followed, or does not hold together.
  BytePairModel(const JsonValue& description, WordUnit unit);

  // In O(n log n).
  std::size_t encode(std::string_view word, WordMemory& memory,
                     std::vector<std::int64_t>& tokens) const override;
  std::size_t first_part(std::string_view word) const override;
  bool parts_at(const Seam& seam) const override {
    return cuts_at_spaces_ && seam.behind == space_mark;
  }
  std::size_t size() const override { return ids_.size(); }
  std::optional<std::int64_t> find(const std::string& token) const override;
  void visit(const Visitor& visitor) const override;

 private:
  struct Merge {
    std::int32_t rank = 0, merged = 0;
  };
  void read_vocabulary(const JsonValue& description);
  void read_merges(const JsonValue& description);
  void read_unknown(const JsonValue& description);
  void read_letters(const JsonValue& description);
  void read_characters(const JsonValue& description);
  std::int32_t id_of(const std::string& token, const JsonValue& merges, std::size_t index) const;
  std::int32_t id_or_none(const std::string& token) const;
  std::size_t add_bytes(std::string_view word, WordMemory& memory) const;
  std::size_t add_characters(std::string_view word, WordMemory& memory) const;
  bool add_as_bytes(std::string_view character, WordMemory& memory) const;
  void push_candidate(WordMemory& memory, std::int32_t position) const;
  void merge_all(WordMemory& memory) const;

  WordUnit unit_;
  std::unordered_map<std::string, std::int32_t> ids_;
  FlatMap<Merge> merges_;  // by both ids
  std::int32_t unknown_ = -1;
  bool fuses_unknown_ = false;
  // Of each byte: its letter's token, or, where words are characters, the token <0x0A>. -1: none.
  std::array<std::int32_t, 256> bytes_;
  FlatMap<std::int32_t> characters_;  // by code point
  // Words may be cut where a space mark stands behind another character: no merge reaches across.
  bool cuts_at_spaces_ = false;
  // With ignore_merges: words that are a token are that token. By their bytes.
  std::unordered_map<std::string, std::int32_t> whole_words_;
};

}  // namespace lookback::json_tokenizer
