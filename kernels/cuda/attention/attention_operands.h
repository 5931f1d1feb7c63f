// The operands of attention as plain numbers that kernels on a GPU are given.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/attention.h"
#include "kernels/attention_shape.h"
#include "kernels/cuda/device/device.h"

namespace lookback::kernels {

// The (Q, K) pieces of a call.
template <class T, int most>
struct PieceTable {
  static constexpr int capacity = most;
  struct Piece {
    HeadRows<const T> q, k;
  };
  int count = 0;
  Piece piece[most];
};

// Throws Error where there are more pieces than the table takes.
template <class T, int most>
PieceTable<T, most> piece_table(const InList& q, const InList& k, std::int64_t group) {
  if (q.size() > static_cast<std::size_t>(most)) {
    throw Error("[attention] " + std::to_string(q.size()) +
                " (Q, K) pieces: a GPU's kernels take at most " + std::to_string(most));
  }
  PieceTable<T, most> table;
  for (std::size_t p = 0; p < q.size(); ++p) {
    table.piece[table.count++] = {rows_of_heads<const T>(q[p], group),
                                  rows_of_key_heads<const T>(k[p])};
  }
  return table;
}

}  // namespace lookback::kernels
