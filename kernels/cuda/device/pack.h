// Elements side by side that a thread reads and writes at once, up to 16 bytes in one access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device/device.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

constexpr std::size_t pack_alignment(std::size_t element_bytes, int count) {
  const auto bytes = element_bytes * static_cast<std::size_t>(count);
  return bytes < 16 ? bytes : 16;
}

template <class T, int count>
struct alignas(pack_alignment(sizeof(T), count)) Pack {
  T element[count];
};

// As many as make 16 bytes.
template <class T>
inline constexpr int pack_width = static_cast<int>(16 / sizeof(T));

// Whether packs of so many may be read and written there.
template <class T>
bool is_aligned(const void* data, int count) {
  return reinterpret_cast<std::uintptr_t>(data) % pack_alignment(sizeof(T), count) == 0;
}

// Where is_aligned().
template <int count, class T>
LOOKBACK_DEVICE Pack<T, count> read_pack(const T* from) {
  device::expect_aligned(from, pack_alignment(sizeof(T), count));
  return *reinterpret_cast<const Pack<T, count>*>(from);
}
template <int count, class T>
LOOKBACK_DEVICE void write_pack(T* to, const Pack<T, count>& pack) {
  device::expect_aligned(to, pack_alignment(sizeof(T), count));
  *reinterpret_cast<Pack<T, count>*>(to) = pack;
}

}  // namespace lookback::kernels
