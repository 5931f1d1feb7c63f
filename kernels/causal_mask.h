// Which keys a query may look at. One rule, asked by every path that attends; it becomes a tensor
// nowhere but where weights are explicit. Masked means excluded: a hidden key's score is never
// used, its weight is exactly 0, and nothing it holds (not even NaN) reaches the row.
//
// Query row t stands at position p = offset + t, key s at position key_positions[s], or s. Of the
// keys 0 <= s < S at positions of at most p and of at least document_start[b, t], where there are
// documents, row t of head h sees
//
//   all                                             without a window, else
//   p - m dilation[h], 0 <= m < window              the last keys, itself included
//   global_keys; all, where p is one of them        what all see, and what sees all
//   the blocks random_blocks[h, p / block_size, :]  of block_size keys each
//
// the union of these. Global keys and random blocks count from the start of the row's document.
// Without dilation, global keys, random blocks and key positions ("plain") these are the keys
//   first_key <= s < last_key, with
//   last_key  = min(S, offset + t + 1)
//   first_key = max(0, offset + t + 1 - window (where there is a window), document_start[b, t])
#pragma once

#include <cstdint>

#include "kernels/core/operand.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

// Keys [first, last); empty: first == last.
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  LOOKBACK_HOST_DEVICE bool empty() const { return first == last; }
  LOOKBACK_HOST_DEVICE bool contains(std::int64_t key) const { return first <= key && key < last; }
};

// What a pattern has beside a window, as plain numbers (null: it has none). Positions count from
// the start of a document.
struct KeyPattern {
  const std::int64_t* dilation = nullptr;       // [H]
  const std::int64_t* global_keys = nullptr;    // [global_count], ascending
  const std::int64_t* random_blocks = nullptr;  // [H, table_blocks, random_count]; -1: none
  std::int64_t global_count = 0, table_blocks = 0, random_count = 0, block_size = 1;

  LOOKBACK_HOST_DEVICE bool present() const {
    return dilation != nullptr || global_keys != nullptr || random_blocks != nullptr;
  }
  LOOKBACK_HOST_DEVICE std::int64_t dilation_of(std::int64_t head) const {
    return dilation == nullptr ? 1 : dilation[head];
  }
  LOOKBACK_HOST_DEVICE bool is_global(std::int64_t position) const {
    std::int64_t first = 0, last = global_count;
    while (first < last) {
      const auto middle = first + (last - first) / 2;
      if (global_keys[middle] < position) {
        first = middle + 1;
      } else {
        last = middle;
      }
    }
    return first < global_count && global_keys[first] == position;
  }
  // The blocks drawn for a position: random_count numbers.
  LOOKBACK_HOST_DEVICE const std::int64_t* blocks_of(std::int64_t head,
                                                     std::int64_t position) const {
    return random_blocks + (head * table_blocks + position / block_size) * random_count;
  }
  // Whether the query sees the key, key <= query.
  LOOKBACK_HOST_DEVICE bool shows(std::int64_t window, std::int64_t head, std::int64_t query,
                                  std::int64_t key) const {
    const auto step = dilation_of(head), distance = query - key;
    if (distance % step == 0 && distance / step < window) return true;
    if (is_global(key) || is_global(query)) return true;
    for (std::int64_t k = 0; k < random_count; ++k) {
      if (blocks_of(head, query)[k] == key / block_size) return true;
    }
    return false;
  }
};

// The rule as plain numbers, which kernels on a GPU can be given as well.
struct VisibleKeys {
  std::int64_t offset = 0, window = 0;           // as in CausalMaskView
  const std::int64_t* document_start = nullptr;  // where the kernel runs; null: no documents
  std::int64_t sequence_step = 0, row_step = 0;  // of document_start
  KeyPattern pattern = {};
  const std::int64_t* key_positions = nullptr;  // [S]; null: key s stands at position s

  // Whether keys_of() says it all.
  LOOKBACK_HOST_DEVICE bool plain() const { return !pattern.present() && key_positions == nullptr; }
  LOOKBACK_HOST_DEVICE std::int64_t start_of(std::int64_t sequence, std::int64_t row) const {
    return document_start == nullptr ? 0
                                     : document_start[sequence * sequence_step + row * row_step];
  }
  LOOKBACK_HOST_DEVICE std::int64_t position_of_key(std::int64_t key) const {
    return key_positions == nullptr ? key : key_positions[key];
  }

  // The keys of a row, or, where the rule is not plain, keys with all of them among them.
  LOOKBACK_HOST_DEVICE KeyRange keys_of(std::int64_t sequence, std::int64_t row,
                                        std::int64_t keys) const {
    if (key_positions != nullptr) return {.first = 0, .last = keys};
    const auto end = offset + row + 1;
    std::int64_t first = window > 0 && end > window && !pattern.present() ? end - window : 0;
    const auto start = start_of(sequence, row);
    if (start > first) first = start;
    const auto last = end < keys ? end : keys;
    return {.first = first < last ? first : last, .last = last};
  }
  LOOKBACK_HOST_DEVICE bool visible(std::int64_t sequence, std::int64_t head, std::int64_t row,
                                    std::int64_t key, std::int64_t keys) const {
    if (plain()) return keys_of(sequence, row, keys).contains(key);
    const auto start = start_of(sequence, row), position = position_of_key(key);
    const auto query = offset + row;
    if (position < start || position > query) return false;
    return window == 0 || pattern.shows(window, head, query - start, position - start);
  }
};

// What a pattern has beside a window; contiguous, i64, each may be absent. Only with a window.
struct KeyPatternView {
  In dilation = {};       // [H], at least 1: the distance of the keys of the window
  In global_keys = {};    // [n], ascending
  In random_blocks = {};  // [H, blocks, R]: for each block of queries R blocks of keys; -1: none
  std::int64_t block_size = 1;  // keys and queries in a block

  KeyPattern rule() const {
    KeyPattern all{.dilation = dilation.as<std::int64_t>(),
                   .global_keys = global_keys.as<std::int64_t>(),
                   .random_blocks = random_blocks.as<std::int64_t>(),
                   .block_size = block_size};
    if (global_keys.present()) all.global_count = global_keys.size(0);
    if (random_blocks.present()) {
      all.table_blocks = random_blocks.size(1);
      all.random_count = random_blocks.size(2);
    }
    return all;
  }
};

struct CausalMaskView {
  std::int64_t offset = 0;      // position of query row 0: the length of the past
  std::int64_t window = 0;      // how many keys a row sees, itself included; 0: no limit
  In document_start = {};       // [B, T] i64: the first position of the row's document; absent: 0
  KeyPatternView pattern = {};  // what rows see beside the window
  In key_positions = {};        // [S] i64, contiguous; absent: key s stands at position s

  VisibleKeys rule() const {
    VisibleKeys all{.offset = offset,
                    .window = window,
                    .pattern = pattern.rule(),
                    .key_positions = key_positions.as<std::int64_t>()};
    if (document_start.present()) {
      all.document_start = document_start.as<std::int64_t>();
      all.sequence_step = document_start.stride(0);
      all.row_step = document_start.stride(1);
    }
    return all;
  }
  KeyRange keys_of(std::int64_t sequence, std::int64_t row, std::int64_t keys) const {
    return rule().keys_of(sequence, row, keys);
  }
  bool visible(std::int64_t sequence, std::int64_t head, std::int64_t row, std::int64_t key,
               std::int64_t keys) const {
    return rule().visible(sequence, head, row, key, keys);
  }

  // For the walk over a struct's operands (operand.h).
  template <class Visitor>
  void visit_operands(const Visitor& visit) const {
    for (const auto* operand : {&document_start, &pattern.dilation, &pattern.global_keys,
                                &pattern.random_blocks, &key_positions}) {
      if (operand->present()) visit(*operand);
    }
  }
};

}  // namespace lookback::kernels
