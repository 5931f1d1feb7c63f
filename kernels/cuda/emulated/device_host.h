// device.h on the host: every thread of a block is a fiber, which goes on until it waits for
// others (run_grid.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cuda/emulated/queue.h"
#include "kernels/cuda/emulated/run_grid.h"

#define LOOKBACK_DEVICE inline
#define LOOKBACK_UNROLL

namespace lookback::device {

inline int thread_index() { return emulated::this_thread().index; }
inline std::int64_t block_index() { return emulated::this_thread().block; }
inline std::int64_t block_count() { return emulated::this_thread().blocks; }
inline void sync_block() { emulated::wait_for_block(); }
inline std::byte* shared_memory() { return emulated::this_thread().shared; }

template <class T>
T shuffle(T value, int lane) {
  const auto* values = emulated::exchange(&value, sizeof(T));
  T result;
  std::memcpy(&result, values + static_cast<std::size_t>(lane) * emulated::exchange_bytes,
              sizeof(T));
  return result;
}
template <class T>
T shuffle_xor(T value, int lanes) {
  return shuffle(value, (thread_index() % warp_threads) ^ lanes);
}

using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::log;
using std::pow;
using std::sqrt;
using std::tanh;
inline float fma(float a, float b, float c) { return std::fma(a, b, c); }
inline double fma(double a, double b, double c) { return std::fma(a, b, c); }

inline void expect_aligned(const void* address, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) emulated::refuse_misaligned(bytes);
}

inline void atomic_min(std::uint64_t* word, std::uint64_t value) { *word = std::min(*word, value); }

template <class Kernel>
void launch(const Grid& grid, const Kernel& kernel) {
  check_grid(grid);
  emulated::submit([grid, kernel] {
    emulated::run_grid({.grid = grid, .threads = Kernel::threads}, [&kernel] { kernel(); });
  });
}

}  // namespace lookback::device
