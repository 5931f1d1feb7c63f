// Where products are cut: never by how many rows there are, so that a row's bits do not depend on
// the rows beside it (gemm.h).
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t step) {
  return ceil_div(a, step) * step;
}

// Where op(x)[row, column] lies.
template <class T>
const T* operand_at(const T* x, std::int64_t stride, Layout layout, std::int64_t row,
                    std::int64_t column) {
  return x + (layout == Layout::as_is ? row * stride + column : column * stride + row);
}

// The depth of the pieces in which sums over k > 0 go, one after the other: those of blocks in f32
// (products/float_tile.h), and in f64 those in which Eigen cuts a product, so that it makes no
// difference whether it is given all of k or piece by piece.
template <class Sum>
std::int64_t piece_depth(std::int64_t k);
template <>
std::int64_t piece_depth<float>(std::int64_t k);
template <>
std::int64_t piece_depth<double>(std::int64_t k);

// Tiles of a result begin at multiples of these: then the bits of a number do not depend on where
// its tile begins.
struct TileSteps {
  std::int64_t rows, columns;
};
template <class Sum>
TileSteps tile_steps();
template <>
TileSteps tile_steps<float>();
template <>
TileSteps tile_steps<double>();

}  // namespace lookback::kernels
