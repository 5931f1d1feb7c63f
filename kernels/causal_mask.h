// Which keys a query may look at. One rule, asked by every path that attends; it becomes a tensor
// nowhere but where weights are explicit. Masked means excluded: a hidden key's score is never
// read, its weight is exactly 0, and nothing it holds (not even NaN) reaches the row.
//
//   key s is visible to query row t of sequence b  <=>  first_key <= s < last_key, with
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

// The rule as plain numbers, which kernels on a GPU can be given as well.
struct VisibleKeys {
  std::int64_t offset = 0, window = 0;           // as in CausalMaskView
  const std::int64_t* document_start = nullptr;  // where the kernel runs; null: no documents
  std::int64_t sequence_step = 0, row_step = 0;  // of document_start

  LOOKBACK_HOST_DEVICE KeyRange keys_of(std::int64_t sequence, std::int64_t row,
                                        std::int64_t keys) const {
    const auto end = offset + row + 1;
    std::int64_t first = window > 0 && end > window ? end - window : 0;
    if (document_start != nullptr) {
      const auto start = document_start[sequence * sequence_step + row * row_step];
      if (start > first) first = start;
    }
    const auto last = end < keys ? end : keys;
    return {.first = first < last ? first : last, .last = last};
  }
};

struct CausalMaskView {
  std::int64_t offset = 0;  // position of query row 0 among the keys: the length of the past
  std::int64_t window = 0;  // how many keys a row sees, itself included; 0: no limit
  In document_start = {};   // [B, T] i64: the first key of the row's own document; absent: 0

  VisibleKeys rule() const {
    if (!document_start.present()) return {.offset = offset, .window = window};
    return {.offset = offset,
            .window = window,
            .document_start = document_start.as<std::int64_t>(),
            .sequence_step = document_start.stride(0),
            .row_step = document_start.stride(1)};
  }
  KeyRange keys_of(std::int64_t sequence, std::int64_t row, std::int64_t keys) const {
    return rule().keys_of(sequence, row, keys);
  }
  bool visible(std::int64_t sequence, std::int64_t row, std::int64_t key, std::int64_t keys) const {
    return keys_of(sequence, row, keys).contains(key);
  }

  // For the walk over a struct's operands (operand.h).
  template <class Visitor>
  void visit_operands(const Visitor& visit) const {
    if (document_start.present()) visit(document_start);
  }
};

}  // namespace lookback::kernels
