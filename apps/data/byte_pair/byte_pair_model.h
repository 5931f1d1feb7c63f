// Byte pair encoding of one word: its bytes, then again and again the two neighbors that were
// learned to belong together first. (Sennrich et al. 2016; over bytes: GPT-2, Radford et al. 2019.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/data/byte_pair/json_value.h"

namespace lookback::byte_pair {

using Vocabulary = std::unordered_map<std::string, std::int64_t>;

// A word is encoded in this memory: one for many words.
struct MergeMemory {
  // A token of the word so far; tokens that a merge took away have id -1.
  struct Symbol {
    std::int64_t id;
    std::int32_t previous, next;  // -1: none
  };
  // Two neighbors that can be merged, when the first is at `position`.
  struct Candidate {
    std::int64_t rank, merged;
    std::int32_t position;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
};

class BytePairModel {
 public:
  // The key "model". Throws Error for what is not byte-level BPE, or does not hold together.
  explicit BytePairModel(const JsonValue& description);

  // Tokens as the file writes them, in letters of bytes.
  const Vocabulary& vocabulary() const { return ids_; }

  // The first byte of the word that has no token; npos: none.
  std::size_t first_unknown(std::string_view word) const;
  // Appends the tokens of a word without unknown bytes, in O(n log n).
  void encode(std::string_view word, MergeMemory& memory, std::vector<std::int64_t>& tokens) const;

 private:
  struct Merge {
    std::int64_t rank, merged;
  };
  void read_vocabulary(const JsonValue& description);
  void read_merges(const JsonValue& description);
  void read_letters(const JsonValue& description);
  std::int64_t id_of(const std::string& token, const JsonValue& merges, std::size_t index) const;
  void push_candidate(MergeMemory& memory, std::int32_t position) const;
  const Merge* merge_of(std::int64_t left, std::int64_t right) const;

  Vocabulary ids_;
  std::array<std::int64_t, 256> letters_;  // of each byte; -1: it has no token
  std::unordered_map<std::uint64_t, Merge> merges_;
  // With ignore_merges: words that are a token are that token. By their bytes.
  Vocabulary whole_words_;
};

}  // namespace lookback::byte_pair
