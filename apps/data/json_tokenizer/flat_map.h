// A hash table from 64-bit keys in one piece of memory: what encoding looks up for each character
// or pair of tokens.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lookback::json_tokenizer {

template <class Value>
class FlatMap {
 public:
  // Every key but this one can be stored.
  static constexpr std::uint64_t no_key = ~std::uint64_t{0};

  // For so many keys without growing.
  void reserve(std::size_t count) {
    if (2 * count > entries_.size()) rebuild(std::bit_ceil(2 * count + 1));
  }

  // The value of a key, put there if it is new.
  Value& operator[](std::uint64_t key) {
    if (2 * (count_ + 1) > entries_.size()) rebuild(std::bit_ceil(4 * (count_ + 1)));
    auto& entry = entries_[place_of(key)];
    if (entry.key == no_key) {
      entry.key = key;
      ++count_;
    }
    return entry.value;
  }

  // None: a null pointer.
  const Value* find(std::uint64_t key) const {
    if (entries_.empty()) return nullptr;
    const auto& entry = entries_[place_of(key)];
    return entry.key == no_key ? nullptr : &entry.value;
  }

 private:
  struct Entry {
    std::uint64_t key = no_key;
    Value value{};
  };

  // Where the key stands, or the free place where it would. At least half of the places are free.
  std::size_t place_of(std::uint64_t key) const {
    constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;
    const auto mask = entries_.size() - 1;
    auto place = static_cast<std::size_t>((key * golden_ratio) >> shift_) & mask;
    while (entries_[place].key != key && entries_[place].key != no_key) place = (place + 1) & mask;
    return place;
  }

  void rebuild(std::size_t size) {
    auto old = std::exchange(entries_, std::vector<Entry>(size));
    shift_ = 64 - std::countr_zero(size);
    for (auto& entry : old) {
      if (entry.key != no_key) entries_[place_of(entry.key)] = std::move(entry);
    }
  }

  std::vector<Entry> entries_;  // a power of two of them
  int shift_ = 0;               // leaves the bits of a place
  std::size_t count_ = 0;
};

}  // namespace lookback::json_tokenizer
