// Where products are cut: by the sizes of b and of k, never by how many rows there are, so that a
// row's bits do not depend on the rows beside it (gemm.h).
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t step) {
  return ceil_div(a, step) * step;
}

// Rows that Eigen's register kernel takes at once, on every instruction set.
inline constexpr std::int64_t rows_at_once = 4;
constexpr std::int64_t filled_rows(std::int64_t rows) { return round_up(rows, rows_at_once); }

// Columns of the widest tile: a multiple of every instruction set's column_step.
inline constexpr std::int64_t widest_tile = 528;

// The sums over k go piece by piece, of equal depth but for the last: the deepest that Eigen, with
// the sizes of caches that tile_product.h sets, does not cut again on any instruction set.
template <class Sum>
constexpr std::int64_t deepest_piece = sizeof(Sum) == 4 ? 512 : 504;
template <class Sum>
constexpr std::int64_t piece_depth(std::int64_t k) {
  const auto pieces = ceil_div(k, deepest_piece<Sum>);
  return pieces <= 1 ? k : round_up(ceil_div(k, pieces), 8);
}
template <class Sum>
constexpr std::int64_t pieces_of(std::int64_t k) {
  return k == 0 ? 0 : ceil_div(k, piece_depth<Sum>(k));
}

// Where op(x)[row, column] lies.
template <class T>
const T* operand_at(const T* x, std::int64_t stride, Layout layout, std::int64_t row,
                    std::int64_t column) {
  return x + (layout == Layout::as_is ? row * stride + column : column * stride + row);
}

}  // namespace lookback::kernels
