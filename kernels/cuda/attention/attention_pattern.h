// What rows see under any mask (kernels/causal_mask.h), by runs of up to 64 keys: the kernels that
// go by tiles ask which keys of a tile a row sees, and which tile is the next that holds one. The
// work is in proportion to the keys seen, but where keys stand at given positions: those have no
// order, and each is asked. Plain arithmetic, tested on the host
// (tests/kernels/attention_pattern_tiles_test.cpp); positions are below 2^30, so that a GPU, which
// divides 64 bits slowly, has 32 of them.
#pragma once

#include <cstdint>

#include "kernels/causal_mask.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

// A bit for each of 64 keys, or rows: 1 where one is seen.
using SeenBits = std::uint64_t;
inline constexpr int seen_bits = 64;

LOOKBACK_HOST_DEVICE constexpr SeenBits bit_of(std::int64_t place) { return SeenBits{1} << place; }
// Bits [first, last), of those that there are.
LOOKBACK_HOST_DEVICE constexpr SeenBits bits_between(std::int64_t first, std::int64_t last) {
  if (first < 0) first = 0;
  if (last > seen_bits) last = seen_bits;
  if (first >= last) return 0;
  return ~SeenBits{0} >> (seen_bits - (last - first)) << first;
}

// A row of queries of one head.
struct SeeingRow {
  std::int64_t sequence, head, row;
};

// Of numbers that may be larger than all positions.
LOOKBACK_HOST_DEVICE constexpr int as_position(std::int64_t x) {
  constexpr int most = 1 << 30;
  return x < most ? static_cast<int>(x) : most;
}

// What a row sees under a pattern, as keys. It has a key of its own, in or behind its document.
struct PatternOfRow {
  int start, own, step;        // of its document, its own key, the dilation
  int oldest;                  // key of the window
  const std::int64_t* blocks;  // drawn for it: random_count of them

  LOOKBACK_HOST_DEVICE PatternOfRow(const VisibleKeys& rule, const SeeingRow& at)
      : start(as_position(rule.start_of(at.sequence, at.row))),
        own(as_position(rule.offset + at.row)),
        step(as_position(rule.pattern.dilation_of(at.head))) {
    const int steps = (own - start) / step, window = as_position(rule.window) - 1;
    oldest = own - (window < steps ? window : steps) * step;
    const auto& pattern = rule.pattern;
    blocks = pattern.random_blocks;
    if (blocks == nullptr) return;
    const int block = (own - start) / as_position(pattern.block_size);
    blocks += (at.head * pattern.table_blocks + block) * pattern.random_count;
  }
};

// The number of the first global key at `position` or behind it.
LOOKBACK_HOST_DEVICE inline std::int64_t first_global(const KeyPattern& pattern,
                                                      std::int64_t position) {
  std::int64_t first = 0, last = pattern.global_count;
  while (first < last) {
    const auto middle = first + (last - first) / 2;
    if (pattern.global_keys[middle] < position) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

// Which keys of [first, first + 64) the row sees.
LOOKBACK_HOST_DEVICE inline SeenBits seen_keys(const VisibleKeys& rule, const SeeingRow& at,
                                               std::int64_t first, std::int64_t keys) {
  const auto range = rule.keys_of(at.sequence, at.row, keys);
  const auto inside = bits_between(range.first - first, range.last - first);
  if (rule.plain() || inside == 0) return inside;
  SeenBits seen = 0;
  if (rule.key_positions != nullptr) {
    for (int i = 0; i < seen_bits; ++i) {
      if ((inside & bit_of(i)) == 0) continue;
      if (rule.visible(at.sequence, at.head, at.row, first + i, keys)) seen |= bit_of(i);
    }
    return seen;
  }
  if (rule.window == 0) return inside;
  const auto& pattern = rule.pattern;
  const PatternOfRow row(rule, at);
  if (pattern.is_global(row.own - row.start)) return inside;
  const int from = as_position(first), last = from + seen_bits - 1;
  const int steps = row.own > last ? (row.own - last + row.step - 1) / row.step : 0;
  if (row.step == 1) {
    seen = bits_between(row.oldest - from, row.own + 1 - from);
  } else {
    for (int key = row.own - steps * row.step; key >= from && key >= row.oldest; key -= row.step) {
      seen |= bit_of(key - from);
    }
  }
  const int position = from - row.start;
  for (auto i = first_global(pattern, position);
       i < pattern.global_count && pattern.global_keys[i] < position + seen_bits; ++i) {
    seen |= bit_of(pattern.global_keys[i] - position);
  }
  for (std::int64_t k = 0; k < pattern.random_count; ++k) {
    if (row.blocks[k] < 0) continue;
    const auto begin = row.blocks[k] * pattern.block_size - position;
    seen |= bits_between(begin, begin + pattern.block_size);
  }
  return seen & inside;
}

// The first key that the row sees of those from `first` on, or, where keys stand at given
// positions, one before it; `keys` where there is none.
LOOKBACK_HOST_DEVICE inline std::int64_t next_seen_key(const VisibleKeys& rule, const SeeingRow& at,
                                                       std::int64_t first, std::int64_t keys) {
  const auto range = rule.keys_of(at.sequence, at.row, keys);
  if (first < range.first) first = range.first;
  if (first >= range.last) return keys;
  if (rule.plain() || rule.key_positions != nullptr || rule.window == 0) return first;
  const auto& pattern = rule.pattern;
  const PatternOfRow row(rule, at);
  if (pattern.is_global(row.own - row.start)) return first;
  const int from = as_position(first < row.oldest ? row.oldest : first);
  std::int64_t next = row.own - (row.own - from) / row.step * row.step;
  const auto global = first_global(pattern, first - row.start);
  if (global < pattern.global_count && row.start + pattern.global_keys[global] < next) {
    next = row.start + pattern.global_keys[global];
  }
  for (std::int64_t k = 0; k < pattern.random_count; ++k) {
    const auto begin = row.start + row.blocks[k] * pattern.block_size;
    if (row.blocks[k] < 0 || begin + pattern.block_size <= first) continue;
    const auto key = begin < first ? first : begin;
    if (key < next) next = key;
  }
  return next < range.last ? next : keys;
}

// A row from `row` on before which no row of the head sees a key of [key, key + count); `rows`
// where none does. Of rows with random blocks or documents each has to be asked.
LOOKBACK_HOST_DEVICE inline std::int64_t next_row_that_may_see(const VisibleKeys& rule,
                                                               std::int64_t head, std::int64_t key,
                                                               std::int64_t count, std::int64_t row,
                                                               std::int64_t rows) {
  if (rule.key_positions != nullptr) return row < rows ? row : rows;
  if (row < key - rule.offset) row = key - rule.offset;
  if (row >= rows) return rows;
  const auto& pattern = rule.pattern;
  if (rule.window == 0 || pattern.random_blocks != nullptr) return row;
  const auto last = key + count - 1;
  const int distance = as_position(rule.offset + row - last);
  const int step = as_position(pattern.dilation_of(head));
  if (distance <= 0 || (distance + step - 1) / step < rule.window) return row;
  if (pattern.global_count == 0) return rows;
  if (rule.document_start != nullptr) return row;
  const auto seen_by_all = first_global(pattern, key);
  if (seen_by_all < pattern.global_count && pattern.global_keys[seen_by_all] <= last) return row;
  const auto sees_all = first_global(pattern, rule.offset + row);
  if (sees_all == pattern.global_count) return rows;
  row = pattern.global_keys[sees_all] - rule.offset;
  return row < rows ? row : rows;
}

}  // namespace lookback::kernels
