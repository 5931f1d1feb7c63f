// Where products are cut: by the sizes of b and of k, never by how many rows there are, so that a
// row's bits do not depend on the rows beside it (gemm.h).
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/isa.h"

namespace lookback::kernels {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t step) {
  return ceil_div(a, step) * step;
}

// Rows that Eigen's register kernel takes at once, on every instruction set.
inline constexpr std::int64_t rows_at_once = 4;
constexpr std::int64_t filled_rows(std::int64_t rows) { return round_up(rows, rows_at_once); }

// Of a product with fewer rows than that, how many columns, from the first, few_rows_product()
// (few_rows.h) sums as the register kernel does.
std::int64_t columns_of_few_rows(std::int64_t n);

// Columns of the widest tile: a multiple of every instruction set's column_step.
inline constexpr std::int64_t widest_tile = 528;

// The depth of the pieces in which sums over k > 0 go: those in which Eigen cuts a product, so that
// it makes no difference whether it is given all of k or piece by piece.
template <class Sum>
std::int64_t piece_depth(std::int64_t k) {
  const auto& kernels = chosen_tile_kernels();
  return sizeof(Sum) == sizeof(float) ? kernels.f32_depth(k) : kernels.f64_depth(k);
}

// Where op(x)[row, column] lies.
template <class T>
const T* operand_at(const T* x, std::int64_t stride, Layout layout, std::int64_t row,
                    std::int64_t column) {
  return x + (layout == Layout::as_is ? row * stride + column : column * stride + row);
}

}  // namespace lookback::kernels
