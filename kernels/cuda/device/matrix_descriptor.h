// How a warpgroup's product (warpgroup.h) is told where a matrix of 16-bit elements lies in shared
// memory: 64 bits, the "matrix descriptor" of the PTX ISA (9.0, "Matrix Descriptor Format" under
// "wgmma.mma_async"). Plain arithmetic, tested on the host
// (tests/kernels/matrix_descriptor_test.cpp).
//
//   bits 0-13    where it begins: address / 16
//   bits 16-29   leading dimension byte offset / 16
//   bits 32-45   stride dimension byte offset / 16
//   bits 49-51   base offset: 0 here, for every pattern begins at a multiple of its own size
//   bits 62-63   swizzle: 0 none, 1 of 128 bytes, 2 of 64, 3 of 32
//
// What the two offsets mean (the ISA's "Strides" and "Canonical Layouts"), for a swizzle of W
// chunks of 16 bytes (8, 4 or 2). M or N is the index that is kept, K the one that is summed over:
//
//   K-major, K runs along a line:     element (mn, k) is in line mn % 8 of group mn / 8; lines are
//                                     16 W bytes apart, groups `stride`; the leading offset is not
//                                     used (without a swizzle: from chunk 0 of K to chunk 1)
//   MN-major, M or N runs along it:   line k % 8 of group k / 8; lines are 16 W bytes apart, groups
//                                     `stride`; W chunks of M or N are in a line, the next W lie
//                                     `leading` further (without a swizzle: the other way round)
//
// Then bits 4.. of the address change: of 128 bytes, bits 4-6 ^= bits 7-9; of 64, bits 4-5 ^= bits
// 7-8; of 32, bit 4 ^= bit 7. A product sums over 16 K; the next 16 are reached by moving the
// begin: along a K-major line by 32 bytes, else by two groups. CUTLASS
// (cute/atom/mma_traits_sm90_gmma.hpp, its comment on canonical layouts, and Swizzle<3, 4, 3>, <2,
// 4, 3>) and ThunderKittens (its st_descriptor: leading = rows * 128, stride = 1024, steps of 32
// and of 2048 bytes) say the same.
#pragma once

#include <cstdint>

#include "runtime/host_device.h"

namespace lookback::device {

// Which index runs along the lines of a matrix in shared memory.
enum class Major { k, mn };

enum class Swizzle : std::uint64_t { none = 0, bytes_128 = 1, bytes_64 = 2, bytes_32 = 3 };

struct MatrixLayout {
  std::uint32_t leading_bytes, stride_bytes;
  Swizzle swizzle;
};

// `address` is one of the block's shared memory.
LOOKBACK_HOST_DEVICE constexpr std::uint64_t describe_matrix(std::uint32_t address,
                                                             const MatrixLayout& layout) {
  const auto field = [](std::uint64_t bytes, int place) {
    return (bytes & 0x3ffff) >> 4 << place;  // 18 bits of bytes
  };
  return field(address, 0) | field(layout.leading_bytes, 16) | field(layout.stride_bytes, 32) |
         static_cast<std::uint64_t>(layout.swizzle) << 62;
}

// The same matrix, beginning `bytes` (a multiple of 16) further. Addresses of shared memory end
// long before the field does: nothing is carried out of it.
LOOKBACK_HOST_DEVICE constexpr std::uint64_t moved_matrix(std::uint64_t matrix,
                                                          std::uint32_t bytes) {
  const std::uint32_t low = static_cast<std::uint32_t>(matrix) + (bytes >> 4);
  return matrix >> 32 << 32 | low;
}

}  // namespace lookback::device
