// What the kernels of attention_decode.h are given.
#pragma once

#include <limits>

#include "kernels/cuda/attention/attention_decode.h"

namespace lookback::kernels {

inline constexpr int decode_threads = 128;
inline constexpr int decode_warps = decode_threads / device::warp_threads;
inline constexpr int keys_ahead = 4;  // of each group of lanes: under way at the same time
inline constexpr float no_score = -std::numeric_limits<float>::infinity();

// What weights that were taken relative to `maximum` are to be multiplied by.
LOOKBACK_DEVICE float share_of(float maximum, float highest) {
  return maximum == highest ? 1.0F : device::exp(maximum - highest);
}

template <class T>
struct DecodeOperands {
  AttentionShape shape;
  PieceTable<T, decoded_pieces> pieces;
  const float* scales;
  HeadRows<const T> v;
  const float* given;  // log-sum-exps, or none
  HeadRows<T> y;
  float* log_sum_exp;  // where none is given
  FormOperands<float> form;
  DecodePlan plan;
  float* sums;    // [packed rows of all, splits, value width]
  float* totals;  // [packed rows of all, splits, 2]: the largest score, the sum of weights

  // Rows of one key head: all rows of its first query head, then those of the next.
  LOOKBACK_HOST_DEVICE std::int64_t rows_of_key_head() const { return shape.group * shape.rows; }

  struct Row {
    std::int64_t sequence, key_head, head_in_group, row;
  };
  LOOKBACK_DEVICE Row row_at(std::int64_t key_head, std::int64_t number) const {
    const auto sequence = key_head / shape.key_heads;
    const auto head_in_group = number / shape.rows;
    return {sequence, key_head - sequence * shape.key_heads, head_in_group,
            number - head_in_group * shape.rows};
  }
  // y and the log-sum-exp of a row.
  LOOKBACK_DEVICE void write(const Row& at, std::int64_t column, float sum, float total) const {
    const bool whole = given != nullptr;
    y.at(at.sequence, at.row, at.key_head, at.head_in_group)[column] =
        static_cast<T>(whole || total == 0 ? sum : sum / total);
  }
  LOOKBACK_DEVICE void write_log_sum_exp(const Row& at, float maximum, float total) const {
    if (log_sum_exp == nullptr) return;
    log_sum_exp[shape.row_number(at.sequence, at.key_head, at.head_in_group, at.row)] =
        total == 0 ? no_score : maximum + device::log(total);
  }
};

}  // namespace lookback::kernels
