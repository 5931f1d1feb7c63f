// The tokens of words that have been encoded before: most words of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace lookback::json_tokenizer {

class WordCache {
 public:
  // Appends the tokens of a word that is known; false where it is not.
  bool append(std::string_view word, std::size_t hash, std::vector<std::int64_t>& tokens) const;
  // Keeps those of a word that is not known, but for long words, which hardly come again, and for
  // words after the first quarter of a million.
  void add(std::string_view word, std::size_t hash, std::span<const std::int64_t> tokens);

 private:
  struct Entry {
    std::size_t hash = 0;
    std::uint32_t word_begin = 0, word_size = 0;  // in words_; size 0: a free place
    std::uint32_t tokens_begin = 0, tokens_size = 0;
  };
  std::size_t place_of(std::string_view word, std::size_t hash) const;
  void grow();

  std::vector<Entry> entries_;  // a power of two of them, at most half of them taken
  std::size_t count_ = 0;
  std::vector<char> words_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace lookback::json_tokenizer
