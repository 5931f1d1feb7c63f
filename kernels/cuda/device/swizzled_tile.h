// A tile of bf16 in shared memory that a warpgroup's products (warpgroup.h) read without bank
// conflicts, with its rows as lines: as rows of A or columns of B where sums run over the tile's
// columns (K-major), or as B itself where they run over its rows (MN-major).
//
// Blocks of 64 (or 32) columns lie one behind the other; in a block each row is a line of 128 (64)
// bytes, whose chunks of 16 bytes are swapped by the row: chunk c of row r is at place c ^ r % 8
// (c ^ r / 2 % 4), which is what the swizzle of 128 (64) bytes makes of it. A tile begins at a
// multiple of `alignment` bytes and its rows are a multiple of 8.
#pragma once

#include "kernels/cuda/device/matrix_descriptor.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

inline constexpr int swizzled_tile_alignment = 1024;

template <int block>
struct SwizzledTile {
  static_assert(block == 32 || block == 64);
  using Element = BFloat16;
  static constexpr int chunk = 8;
  static constexpr int line_bytes = block * static_cast<int>(sizeof(BFloat16));

  BFloat16* data;
  int rows, columns;

  // Elements of a tile: its last block is a whole one.
  LOOKBACK_HOST_DEVICE static constexpr int size(int rows, int columns) {
    return rows * ((columns + block - 1) / block * block);
  }
  LOOKBACK_HOST_DEVICE static constexpr int offset(int rows, int row, int column) {
    const int place = column % block / chunk ^ (block == 64 ? row % 8 : row / 2 % 4);
    return column / block * rows * block + row * block + place * chunk + column % chunk;
  }
  // Eight elements, beginning at a column that is a multiple of 8.
  LOOKBACK_HOST_DEVICE BFloat16* at(int row, int column) const {
    return data + offset(rows, row, column);
  }

  LOOKBACK_HOST_DEVICE static constexpr device::MatrixLayout layout(int rows) {
    return {.leading_bytes = static_cast<std::uint32_t>(rows * line_bytes),
            .stride_bytes = 8 * line_bytes,
            .swizzle = block == 64 ? device::Swizzle::bytes_128 : device::Swizzle::bytes_64};
  }
  // How far the begin of the matrix moves, in bytes: to rows that begin at `row` (a multiple of 8)
  // and column (a multiple of 16).
  LOOKBACK_HOST_DEVICE static constexpr std::uint32_t bytes_to(int rows, int row, int column) {
    const auto of_block = static_cast<std::uint32_t>(column) / block;
    const auto in_block = static_cast<std::uint32_t>(column) % block;
    return (of_block * static_cast<std::uint32_t>(rows) + static_cast<std::uint32_t>(row)) *
               line_bytes +
           in_block * static_cast<std::uint32_t>(sizeof(BFloat16));
  }
};

}  // namespace lookback::kernels
