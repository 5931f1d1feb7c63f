// Attention on a GPU in tiles (Dao 2023): scores and weights live in registers, tile by tile.
//
// Three kernels: of query rows (the result; the gradient of one piece's queries) and of key rows
// (the gradients of the values and of one piece's keys). Gradients compute the scores anew, from
// all pieces; each result has one owner, so that nothing is added up in an order of chance. bf16
// weights and their gradients are rounded to bf16 where they meet tensor cores.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention_operands.h"
#include "kernels/cuda/attention_tiles.h"

namespace lookback::kernels {

inline constexpr int streamed_pieces = 32;  // more of them go the explicit way

// What all of its kernels are given. T is float or BFloat16.
template <class T>
struct StreamOperands {
  AttentionExtent extent;
  PieceTable<T, streamed_pieces> pieces;
  const float* scales = nullptr;
  HeadRows<const T> v;
  const float* log_sum_exp = nullptr;  // [B, H, T]; absent: to be computed
};

template <class T>
struct StreamBackward {
  StreamOperands<T> operands;
  HeadRows<const T> dy;
  const float* row_dots;  // [B, H, T]: sum_d dy y
};

// y, and the log-sum-exps where they are not given.
template <class T>
void stream_forward(const StreamOperands<T>& operands, const HeadRows<T>& y, float* log_sum_exp);
// dq (optional) of piece `target` is added to; parts (optional) [query_blocks]: what each block
// adds to the piece's dscale.
template <class T>
void stream_query_gradient(const StreamBackward<T>& operands, int target, const HeadRows<T>& dq,
                           float* parts);
// dk (optional) of piece `target` is added to, dv (optional) written.
template <class T>
void stream_key_gradient(const StreamBackward<T>& operands, int target, const HeadRows<T>& dk,
                         const HeadRows<T>& dv);

// Columns of the tiles that queries and keys are copied into.
template <class T>
int widest_score_columns(const PieceTable<T, streamed_pieces>& pieces) {
  int columns = 16;
  for (int p = 0; p < pieces.count; ++p) {
    columns = std::max(columns, contracted_columns(pieces.piece[p].q.width));
  }
  return columns;
}

// Blocks of query rows.
template <class T>
std::int64_t query_blocks(const AttentionExtent& extent) {
  return extent.sequences * extent.heads() * device::blocks_for(extent.rows, tile_rows<T>);
}

}  // namespace lookback::kernels
