// tiles.h on the host.
#pragma once

#include <cstring>

#include "kernels/cuda/device/device.h"
#include "runtime/dtype.h"

namespace lookback::device {
namespace emulated {

inline BFloat16 half_of(std::uint32_t both, int which) {
  BFloat16 result;
  result.bits = static_cast<std::uint16_t>(both >> (16 * which));
  return result;
}

struct ProductOperands {
  std::uint32_t a[4], b[2];
};

// The registers of matrix elements that lane `lane` holds.
inline float element_a(const std::byte* operands, int row, int column) {
  const int lane = row % 8 * 4 + column % 8 / 2;
  ProductOperands of;
  std::memcpy(&of, operands + static_cast<std::size_t>(lane) * exchange_bytes, sizeof(of));
  return static_cast<float>(half_of(of.a[row / 8 + 2 * (column / 8)], column % 2));
}
inline float element_b(const std::byte* operands, int row, int column) {
  const int lane = column * 4 + row % 8 / 2;
  ProductOperands of;
  std::memcpy(&of, operands + static_cast<std::size_t>(lane) * exchange_bytes, sizeof(of));
  return static_cast<float>(half_of(of.b[row / 8], row % 2));
}

inline void load(std::uint32_t (&r)[4], const void* row, int down, int right) {
  expect_aligned(row, 16);
  const int lane = thread_index() % warp_threads;
  const auto* rows = exchange(&row, sizeof(row));
  for (int matrix = 0; matrix < 4; ++matrix) {
    r[matrix] = 0;
    for (int i = 0; i < 2; ++i) {
      // The element (lane / 4, 2 (lane % 4) + i) of the matrix, or of its transpose.
      const int major = lane / 4 * down + (lane % 4 * 2 + i) * right;
      const int minor = lane / 4 * right + (lane % 4 * 2 + i) * down;
      const std::uint16_t* address = nullptr;
      std::memcpy(&address, rows + static_cast<std::size_t>(matrix * 8 + major) * exchange_bytes,
                  sizeof(address));
      r[matrix] |= static_cast<std::uint32_t>(address[minor]) << (16 * i);
    }
  }
}

}  // namespace emulated

inline void cp_async(void* to, const void* from) {
  expect_aligned(to, 16);
  expect_aligned(from, 16);
  emulated::copy_later(to, from, 16);
}
inline void cp_async_zfill(void* to) {
  expect_aligned(to, 16);
  std::memset(to, 0, 16);
  emulated::wrote(to, 16);
}
inline void cp_async_commit() { emulated::cp_async_commit(); }
template <int newest>
void cp_async_wait() {
  emulated::cp_async_wait(newest);
}

inline void ldmatrix(std::uint32_t (&r)[4], const void* row) { emulated::load(r, row, 1, 0); }
inline void ldmatrix_trans(std::uint32_t (&r)[4], const void* row) { emulated::load(r, row, 0, 1); }

inline void mma_m16n8k16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulated::ProductOperands own;
  std::memcpy(own.a, a, sizeof(own.a));
  std::memcpy(own.b, b, sizeof(own.b));
  const auto* operands = emulated::exchange(&own, sizeof(own));
  const int lane = thread_index() % warp_threads;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; ++k) {
      c[i] += emulated::element_a(operands, row, k) * emulated::element_b(operands, k, column);
    }
  }
}

inline std::uint32_t pack(float low, float high) {
  return BFloat16(low).bits | static_cast<std::uint32_t>(BFloat16(high).bits) << 16;
}

}  // namespace lookback::device
