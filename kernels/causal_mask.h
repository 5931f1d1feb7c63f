// Which keys a query may look at. One rule, asked by every path that attends; it becomes a tensor
// nowhere but where weights are explicit. Masked means excluded: a hidden key's score is never
// read, its weight is exactly 0, and nothing it holds (not even NaN) reaches the row.
//
//   key s is visible to query row t of sequence b  <=>  first_key <= s < last_key, with
//   last_key  = min(S, offset + t + 1)
//   first_key = max(0, offset + t + 1 - window (where there is a window), document_start[b, t])
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/operand.h"

namespace lookback::kernels {

// Keys [first, last); empty: first == last.
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool empty() const { return first == last; }
  bool contains(std::int64_t key) const { return first <= key && key < last; }
};

struct CausalMask {
  std::int64_t offset = 0;  // position of query row 0 among the keys: the length of the past
  std::int64_t window = 0;  // how many keys a row sees, itself included; 0: no limit
  In document_start = {};   // [B, T] i64: the first key of the row's own document; absent: 0

  KeyRange keys_of(std::int64_t sequence, std::int64_t row, std::int64_t keys) const {
    const auto end = offset + row + 1;
    std::int64_t first = window > 0 ? std::max<std::int64_t>(0, end - window) : 0;
    if (document_start.present()) {
      const auto at = sequence * document_start.stride(0) + row * document_start.stride(1);
      first = std::max(first, document_start.as<std::int64_t>()[at]);
    }
    const auto last = std::clamp<std::int64_t>(end, 0, keys);
    return {.first = std::min(first, last), .last = last};
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
