// How products are cut into tiles of their result, and where the sums of a tile grow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/cpu/gemm_pieces.h"
#include "runtime/dtype.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// They begin at multiples of tile_steps().
struct Tiling {
  std::int64_t rows;
  std::int64_t columns;
};
inline constexpr Tiling largest_tile{504, 512};
// Tiles of less work are handed out several at once.
inline constexpr std::int64_t min_tile_work = 1 << 18;  // multiply-adds

// The part of a product that gives c[row .. row + rows, column .. column + columns].
template <class T, class Result>
Gemm<T, Result> tile_of(const Gemm<T, Result>& p, const Tiling& tile, std::int64_t row,
                        std::int64_t column) {
  Gemm<T, Result> part = p;
  part.m = std::min(tile.rows, p.m - row);
  part.n = std::min(tile.columns, p.n - column);
  part.a = operand_at(p.a, p.a_stride, p.a_layout, row, 0);
  part.b = operand_at(p.b, p.b_stride, p.b_layout, 0, column);
  part.c = p.c + row * p.c_stride + column;
  return part;
}

// The f32 sums of a tile of a bf16 result, in scratch of this thread.
inline float* tile_sums() {
  thread_local std::vector<float> sums(
      static_cast<std::size_t>(largest_tile.rows * largest_tile.columns));
  return sums.data();
}

// Where the sums of a tile grow: in the result itself where it is of their dtype, else in scratch.
template <class T, class Result>
class TileSums {
 public:
  using Sum = Accumulator<T>;

  explicit TileSums(const Gemm<T, Result>& tile) : tile_(tile) {
    if constexpr (in_place) {
      sums_ = tile.c;
      stride_ = tile.c_stride;
      into_ = tile.into;
    } else {
      sums_ = tile_sums();
      stride_ = tile.n;
    }
  }

  // A product of the tile's size that is added next.
  Gemm<T, Sum> next(const Gemm<T, Result>& p) {
    return {.m = tile_.m,
            .n = tile_.n,
            .k = p.k,
            .a = p.a,
            .a_stride = p.a_stride,
            .a_layout = p.a_layout,
            .b = p.b,
            .b_stride = p.b_stride,
            .b_layout = p.b_layout,
            .c = sums_,
            .c_stride = stride_,
            .into = std::exchange(into_, Into::sum),
            .alpha = tile_.alpha};
  }

  // `row`, where there is one, is added to each row of the sum; a bf16 result is rounded once.
  void finish(const Result* row = nullptr) const {
    if (in_place && row == nullptr) return;
    for (std::int64_t i = 0; i < tile_.m; ++i) {
      Result* to = tile_.c + i * tile_.c_stride;
      for (std::int64_t j = 0; j < tile_.n; ++j) {
        Sum total = sums_[i * stride_ + j];
        if (row != nullptr) total += static_cast<Sum>(row[j]);
        if (!in_place && tile_.into == Into::sum) total += static_cast<Sum>(to[j]);
        to[j] = static_cast<Result>(total);
      }
    }
  }

 private:
  static constexpr bool in_place = std::is_same_v<Result, Sum>;
  const Gemm<T, Result>& tile_;
  Sum* sums_ = nullptr;
  std::int64_t stride_ = 0;
  Into into_ = Into::overwrite;
};

// Calls body(result, row, column) for each tile of `results` outputs of p's size, on all threads.
template <class T, class Result, class Body>
void for_each_tile(std::int64_t results, const Gemm<T, Result>& p, const Tiling& tile,
                   const Body& body) {
  const auto tile_columns = ceil_div(p.n, tile.columns);
  const auto tiles = ceil_div(p.m, tile.rows) * tile_columns;
  const auto work = std::max<std::int64_t>(1, tile.rows * tile.columns * p.k);
  const auto tiles_at_once = std::max<std::int64_t>(1, min_tile_work / work);
  parallel_for(results * tiles, tiles_at_once, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      body(i / tiles, i % tiles / tile_columns * tile.rows,
           i % tiles % tile_columns * tile.columns);
    }
  });
}

}  // namespace lookback::kernels
