#include "apps/data/json_tokenizer/word_cache.h"

#include <utility>

namespace lookback::json_tokenizer {
namespace {

constexpr std::size_t longest_word = 64, most_words = std::size_t{1} << 18, first_size = 1 << 10;

}  // namespace

std::size_t WordCache::place_of(std::string_view word, std::size_t hash) const {
  const auto mask = entries_.size() - 1;
  for (auto place = hash & mask;; place = (place + 1) & mask) {
    const auto& entry = entries_[place];
    if (entry.word_size == 0) return place;
    if (entry.hash == hash &&
        std::string_view(words_.data() + entry.word_begin, entry.word_size) == word) {
      return place;
    }
  }
}

bool WordCache::append(std::string_view word, std::size_t hash,
                       std::vector<std::int64_t>& tokens) const {
  if (entries_.empty() || word.size() > longest_word) return false;
  const auto& entry = entries_[place_of(word, hash)];
  if (entry.word_size == 0) return false;
  const auto begin = tokens_.begin() + entry.tokens_begin;
  tokens.insert(tokens.end(), begin, begin + entry.tokens_size);
  return true;
}

void WordCache::add(std::string_view word, std::size_t hash, std::span<const std::int64_t> tokens) {
  if (word.empty() || word.size() > longest_word || count_ >= most_words) return;
  if (2 * (count_ + 1) > entries_.size()) grow();
  auto& entry = entries_[place_of(word, hash)];
  entry = {hash, static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(word.size()),
           static_cast<std::uint32_t>(tokens_.size()), static_cast<std::uint32_t>(tokens.size())};
  words_.insert(words_.end(), word.begin(), word.end());
  for (const auto token : tokens) tokens_.push_back(static_cast<std::int32_t>(token));
  ++count_;
}

void WordCache::grow() {
  const auto size = entries_.empty() ? first_size : 2 * entries_.size();
  for (const auto& entry : std::exchange(entries_, std::vector<Entry>(size))) {
    if (entry.word_size == 0) continue;
    auto place = entry.hash & (size - 1);
    while (entries_[place].word_size != 0) place = (place + 1) & (size - 1);
    entries_[place] = entry;
  }
}

}  // namespace lookback::json_tokenizer
