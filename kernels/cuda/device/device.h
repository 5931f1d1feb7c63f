// What our kernels use of a GPU. The same source compiles twice: by nvcc for the GPU
// (device_gpu.h), and by the host's compiler for emulated/, which runs every thread of every block
// as it stands, so that index arithmetic, barriers and numbers are tested on a machine without a
// GPU.
//
// A kernel is a struct: its members are the arguments (numbers and pointers into device memory),
// `threads` is the size of a block, and operator() is what one thread does:
//
//   struct Double {
//     static constexpr int threads = 256;  // also, if registers are scarce: resident_blocks
//     const float* x;
//     float* y;
//     std::int64_t count;
//     LOOKBACK_DEVICE void operator()() const {
//       const auto i = device::block_index() * threads + device::thread_index();
//       if (i < count) y[i] = 2 * x[i];
//     }
//   };
//   device::launch({.blocks = device::blocks_for(count, Double::threads)}, Double{x, y, count});
//
// In namespace lookback::device, on the device:
//   thread_index(), block_index(), block_count()   of this thread
//   sync_block()                     every thread of the block has come here
//   shuffle_xor(value, lanes)        the value of the lane whose number differs in these bits;
//   shuffle(value, lane)             all 32 lanes of the warp take part in both
//   shared_memory()                  the block's, as many bytes as the launch asked for
//   exp, log, sqrt, ...              as in <cmath>, for float and double
//   fma(a, b, c)                     a b + c, rounded once. Nothing else is contracted.
//   expect_aligned(address, bytes)   the emulated GPU refuses an address that is no multiple of
//                                    them; a real one would at the access itself
//   atomic_min(word, value)          an integer atomic; there are none on floating-point numbers,
//                                    for their order would change the bits
//   cp_async, cp_async_commit, cp_async_wait, ldmatrix, mma_m16n8k16: tiles.h
#pragma once

#if defined(__CUDACC__)
#include "kernels/cuda/device/device_gpu.h"
#else
#include "kernels/cuda/emulated/device_host.h"
#endif
