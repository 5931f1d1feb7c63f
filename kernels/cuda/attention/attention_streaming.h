// Attention on a GPU in tiles (Dao 2023): scores and weights live in registers, tile by tile. Tiles
// that the mask hides from all their rows are skipped.
//
// Three kernels: of query rows (the result; the gradients of queries) and of key rows (the
// gradients of values and keys). Gradients compute the scores anew, from all pieces, for as many
// pieces at a time as registers hold sums of; each result has one owner, so that nothing is added
// up in an order of chance. bf16 weights and their gradients are rounded to bf16 where they meet
// tensor cores: of warps, or of warpgroups where the GPU has them (attention_products.h).
#pragma once

#include <cstdint>

#include "kernels/cuda/attention/attention_form.h"
#include "kernels/cuda/attention/attention_tiles.h"
#include "kernels/cuda/device/capability.h"

namespace lookback::kernels {

inline constexpr int streamed_pieces = 32;  // more of them go the explicit way

// What all of its kernels are given. T is float or BFloat16.
template <class T>
struct StreamingOperands {
  AttentionShape shape;
  PieceTable<T, streamed_pieces> pieces;
  const float* scales = nullptr;
  HeadRows<const T> v;
  const float* log_sum_exp = nullptr;  // [B, H, T]; absent: to be computed
  FormOperands<float> form = {};

  Rules rules() const { return rules_of(form, shape.visible); }
};

template <class T>
struct StreamingBackward {
  StreamingOperands<T> operands;
  HeadRows<const T> dy;
  const float* row_dots;  // [B, H, T]: sum_d dy y
};

// y, and the log-sum-exps where they are not given.
template <class T>
void streaming_forward(const StreamingOperands<T>& operands, const HeadRows<T>& y,
                       float* log_sum_exp);
// dq[j] (each optional) of piece span.first + j is added to; parts (optional)
// [span.count, query_gradient_blocks]: what each block adds to the pieces' dscales.
template <class T>
void streaming_query_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                              const HeadRows<T>* dq, float* parts);
// dk[j] (each optional) of piece span.first + j is added to.
template <class T>
void streaming_key_gradient(const StreamingBackward<T>& operands, PieceSpan span,
                            const HeadRows<T>* dk);
// dv is written.
template <class T>
void streaming_value_gradient(const StreamingBackward<T>& operands, const HeadRows<T>& dv);
// Both at once, which computes the weights once. False where that cannot be: with several pieces,
// or where the sums do not fit into registers.
template <class T>
bool streaming_key_and_value_gradient(const StreamingBackward<T>& operands, const HeadRows<T>& dk,
                                      const HeadRows<T>& dv);

template <class T>
std::int64_t widest_of(const PieceTable<T, streamed_pieces>& pieces, PieceSpan span) {
  std::int64_t width = 0;
  for (int j = 0; j < span.count; ++j) {
    width = std::max(width, pieces.piece[span.first + j].q.width);
  }
  return width;
}
// Columns of the tiles that queries and keys are copied into.
template <class Tiles, class T>
int widest_score_columns(const PieceTable<T, streamed_pieces>& pieces) {
  int columns = Tiles::summed;
  for (int p = 0; p < pieces.count; ++p) {
    columns = std::max(columns, contracted_columns<Tiles>(pieces.piece[p].q.width));
  }
  return columns;
}

// visit.template operator()<Tiles>() for the way that bf16 or f32 takes on the GPU at hand.
template <class T, class Visitor>
decltype(auto) visit_tiles(const Visitor& visit) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (device::has_warpgroups()) return visit.template operator()<WarpgroupTiles>();
  }
  return visit.template operator()<WarpTiles<T>>();
}

// visit.template operator()<Tiles, rules>() for these operands.
template <class T, class Visitor>
decltype(auto) visit_ways(const StreamingOperands<T>& operands, const Visitor& visit) {
  return visit_tiles<T>([&]<class Tiles>() {
    if (operands.rules() == Rules::any) return visit.template operator()<Tiles, Rules::any>();
    return visit.template operator()<Tiles, Rules::plain>();
  });
}

// Blocks of query rows.
inline std::int64_t query_blocks(const AttentionShape& shape, int rows_of_block) {
  return shape.sequences * shape.heads() * device::blocks_for(shape.rows, rows_of_block);
}
// Of streaming_query_gradient().
template <class T>
std::int64_t query_gradient_blocks(const AttentionShape& shape) {
  return visit_tiles<T>([&]<class Tiles>() { return query_blocks(shape, tile_rows<Tiles>); });
}

}  // namespace lookback::kernels
