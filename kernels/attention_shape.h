// The sizes of an attention and the rows of its operands as plain numbers, for the kernels of the
// host and of a GPU alike (kernels/attention.h, kernels/attention_weights.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/causal_mask.h"
#include "kernels/core/operand.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

// B, T, S, G and H / G of kernels/attention.h. Query head h is number h % (H / G) in the group of
// key/value head h / (H / G).
struct AttentionShape {
  std::int64_t sequences = 0, rows = 0, keys = 0, key_heads = 0, group = 0;
  VisibleKeys visible;

  std::int64_t heads() const { return key_heads * group; }
  std::int64_t all_rows() const { return sequences * heads() * rows; }
  std::int64_t all_keys() const { return sequences * key_heads * keys; }
  LOOKBACK_HOST_DEVICE KeyRange keys_of(std::int64_t sequence, std::int64_t row) const {
    return visible.keys_of(sequence, row, keys);
  }
  LOOKBACK_HOST_DEVICE bool sees(std::int64_t sequence, std::int64_t head, std::int64_t row,
                                 std::int64_t key) const {
    return visible.visible(sequence, head, row, key, keys);
  }
  // Of a number per row and head, [B, H, T].
  LOOKBACK_HOST_DEVICE std::int64_t row_number(std::int64_t sequence, std::int64_t key_head,
                                               std::int64_t head_in_group, std::int64_t row) const {
    return ((sequence * key_heads + key_head) * group + head_in_group) * rows + row;
  }
};

inline AttentionShape shape_of(const InList& q, const InList& k, const CausalMaskView& mask) {
  const auto key_heads = k[0].size(2);
  return {.sequences = q[0].size(0),
          .rows = q[0].size(1),
          .keys = k[0].size(1),
          .key_heads = key_heads,
          .group = key_heads == 0 ? 0 : q[0].size(2) / key_heads,
          .visible = mask.rule()};
}

// The same of weights and values that are given by groups: [B, G, H / G, T, S].
inline AttentionShape shape_of_groups(const In& weights, const CausalMaskView& mask) {
  return {.sequences = weights.size(0),
          .rows = weights.size(3),
          .keys = weights.size(4),
          .key_heads = weights.size(1),
          .group = weights.size(2),
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
  // Of a [B, T, H, D] operand, by the head itself.
  LOOKBACK_HOST_DEVICE T* at_head(std::int64_t sequence, std::int64_t row,
                                  std::int64_t head) const {
    return data + sequence * sequence_step + row * row_step + head * head_in_group_step;
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
// A [B, G, H / G, T, D] operand.
template <class T, class Operand>
HeadRows<T> rows_of_groups(const Operand& x) {
  return {.data = elements_of<T>(x),
          .sequence_step = x.stride(0),
          .row_step = x.stride(3),
          .key_head_step = x.stride(1),
          .head_in_group_step = x.stride(2),
          .width = x.size(4)};
}

// Whether any gradient goes through the scores.
template <class Arguments>
bool wants_scores(const Arguments& a) {
  const auto present = [](const InOut& x) { return x.present(); };
  return a.dscales.present() || std::any_of(a.dq.begin(), a.dq.end(), present) ||
         std::any_of(a.dk.begin(), a.dk.end(), present);
}

}  // namespace lookback::kernels
