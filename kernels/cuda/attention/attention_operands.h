// The operands of attention as plain numbers that kernels on a GPU are given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/attention.h"
#include "kernels/cuda/device/device.h"

namespace lookback::kernels {

// B, T, S, G and H / G of kernels/attention.h. Query head h is number h % (H / G) in the group of
// key/value head h / (H / G).
struct AttentionExtent {
  std::int64_t sequences = 0, rows = 0, keys = 0, key_heads = 0, group = 0;
  VisibleKeys visible;

  std::int64_t heads() const { return key_heads * group; }
  std::int64_t all_rows() const { return sequences * heads() * rows; }
  std::int64_t all_keys() const { return sequences * key_heads * keys; }
  LOOKBACK_HOST_DEVICE KeyRange keys_of(std::int64_t sequence, std::int64_t row) const {
    return visible.keys_of(sequence, row, keys);
  }
  // Of a number per row and head, [B, H, T].
  LOOKBACK_HOST_DEVICE std::int64_t row_number(std::int64_t sequence, std::int64_t key_head,
                                               std::int64_t head_in_group, std::int64_t row) const {
    return ((sequence * key_heads + key_head) * group + head_in_group) * rows + row;
  }
};

inline AttentionExtent extent_of(const InList& q, const InList& k, const CausalMaskView& mask) {
  const auto key_heads = k[0].size(2);
  return {.sequences = q[0].size(0),
          .rows = q[0].size(1),
          .keys = k[0].size(1),
          .key_heads = key_heads,
          .group = key_heads == 0 ? 0 : q[0].size(2) / key_heads,
          .visible = mask.rule()};
}

// Rows of numbers, by sequence, position, key/value head and head in its group.
template <class T>
struct HeadRows {
  T* data = nullptr;
  std::int64_t sequence_step = 0, row_step = 0, key_head_step = 0, head_in_group_step = 0;
  std::int64_t width = 0;

  LOOKBACK_HOST_DEVICE T* at(std::int64_t sequence, std::int64_t row, std::int64_t key_head,
                             std::int64_t head_in_group) const {
    return data + sequence * sequence_step + row * row_step + key_head * key_head_step +
           head_in_group * head_in_group_step;
  }
  bool present() const { return data != nullptr; }
};

template <class T, class Operand>
T* elements_of(const Operand& x) {
  return x.template as<std::remove_const_t<T>>();
}

// A [B, T, H, D] operand; an absent one has no data.
template <class T, class Operand>
HeadRows<T> rows_of_heads(const Operand& x, std::int64_t group) {
  if (!x.present()) return {};
  return {.data = elements_of<T>(x),
          .sequence_step = x.stride(0),
          .row_step = x.stride(1),
          .key_head_step = x.stride(2) * group,
          .head_in_group_step = x.stride(2),
          .width = x.size(3)};
}
// A [B, S, G, D] operand.
template <class T, class Operand>
HeadRows<T> rows_of_key_heads(const Operand& x) {
  if (!x.present()) return {};
  return {.data = elements_of<T>(x),
          .sequence_step = x.stride(0),
          .row_step = x.stride(1),
          .key_head_step = x.stride(2),
          .head_in_group_step = 0,
          .width = x.size(3)};
}

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

// Whether any gradient goes through the scores.
template <class Arguments>
bool wants_scores(const Arguments& a) {
  const auto present = [](const InOut& x) { return x.present(); };
  return a.dscales.present() || std::any_of(a.dq.begin(), a.dq.end(), present) ||
         std::any_of(a.dk.begin(), a.dk.end(), present);
}

}  // namespace lookback::kernels
