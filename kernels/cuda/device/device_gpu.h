// device.h on a GPU, for nvcc.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/device/grid.h"
#include "kernels/cuda/device/stream.h"

#define LOOKBACK_DEVICE __device__ __forceinline__
#define LOOKBACK_UNROLL _Pragma("unroll")

namespace lookback::device {

LOOKBACK_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
LOOKBACK_DEVICE std::int64_t block_index() { return blockIdx.x; }
LOOKBACK_DEVICE std::int64_t block_count() { return gridDim.x; }
LOOKBACK_DEVICE void sync_block() { __syncthreads(); }

inline constexpr unsigned all_lanes = 0xffffffffU;
template <class T>
LOOKBACK_DEVICE T shuffle_xor(T value, int lanes) {
  return __shfl_xor_sync(all_lanes, value, lanes);
}
template <class T>
LOOKBACK_DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(all_lanes, value, lane);
}

LOOKBACK_DEVICE std::byte* shared_memory() {
  extern __shared__ __align__(128) std::byte memory[];
  return memory;
}

LOOKBACK_DEVICE float exp(float x) { return ::expf(x); }
LOOKBACK_DEVICE double exp(double x) { return ::exp(x); }
LOOKBACK_DEVICE float exp2(float x) { return ::exp2f(x); }
LOOKBACK_DEVICE double exp2(double x) { return ::exp2(x); }
LOOKBACK_DEVICE float log(float x) { return ::logf(x); }
LOOKBACK_DEVICE double log(double x) { return ::log(x); }
LOOKBACK_DEVICE float sqrt(float x) { return ::sqrtf(x); }
LOOKBACK_DEVICE double sqrt(double x) { return ::sqrt(x); }
LOOKBACK_DEVICE float tanh(float x) { return ::tanhf(x); }
LOOKBACK_DEVICE double tanh(double x) { return ::tanh(x); }
LOOKBACK_DEVICE float erf(float x) { return ::erff(x); }
LOOKBACK_DEVICE double erf(double x) { return ::erf(x); }
LOOKBACK_DEVICE float erfc(float x) { return ::erfcf(x); }
LOOKBACK_DEVICE double erfc(double x) { return ::erfc(x); }
LOOKBACK_DEVICE float pow(float x, float y) { return ::powf(x, y); }
LOOKBACK_DEVICE double pow(double x, double y) { return ::pow(x, y); }
LOOKBACK_DEVICE float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
LOOKBACK_DEVICE double fma(double a, double b, double c) { return ::fma(a, b, c); }

LOOKBACK_DEVICE void expect_aligned(const void*, std::size_t) {}

// *word = min(*word, value)
LOOKBACK_DEVICE void atomic_min(std::uint64_t* word, std::uint64_t value) {
  ::atomicMin(reinterpret_cast<unsigned long long*>(word), static_cast<unsigned long long>(value));
}

// So many blocks of the kernel are to find room on a multiprocessor at once, where it says so (not
// 0): registers are given out accordingly.
template <class Kernel>
constexpr int resident_blocks() {
  if constexpr (requires { Kernel::resident_blocks; }) {
    return Kernel::resident_blocks;
  } else {
    return 0;
  }
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, resident_blocks<Kernel>())
    run_kernel(const __grid_constant__ Kernel kernel) {
  kernel();
}

// Queues the kernel on the stream of this program. Throws Error where the GPU refuses it.
template <class Kernel>
void launch(const Grid& grid, const Kernel& kernel) {
  if (grid.blocks == 0) return;
  check_grid(grid);
  constexpr std::size_t granted = std::size_t{48} << 10;  // more must be asked for
  if (grid.shared_bytes > granted) {
    check_launch(cudaFuncSetAttribute(run_kernel<Kernel>,
                                      cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(grid.shared_bytes)));
  }
  run_kernel<Kernel><<<static_cast<unsigned>(grid.blocks), Kernel::threads, grid.shared_bytes,
                       static_cast<cudaStream_t>(compute_stream())>>>(kernel);
  check_launch(cudaGetLastError());
}

}  // namespace lookback::device
