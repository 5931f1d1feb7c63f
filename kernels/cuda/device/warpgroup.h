// Products by a warpgroup: four neighboring warps, the first of which has a number that is a
// multiple of four. The tensor cores of compute capability 9.0 read both matrices, or B alone, from
// shared memory and work on while the threads go on. PTX ISA 9.0, "Asynchronous Warpgroup Level
// Matrix Multiply-Accumulate Instructions" (wgmma); where a matrix lies: matrix_descriptor.h.
//
//   wgmma_ss<major>(c, a, b)    c [64, N] += a [64, 16] b [16, N], N a multiple of 8 up to 256,
//                               bf16 with f32 sums. a and b are descriptors, the same in all
//                               threads; a is K-major, b as `major` says. Of warp w, c[n] holds
//                               rows 16 w .. 16 w + 15 and columns 8 n .. 8 n + 7 as mma_m16n8k16
//                               (tiles.h) holds them: "Register Fragments", Matrix D
//   wgmma_rs<major>(c, a, b)    the same; a [4] are the warp's 16 rows of a, in registers, as
//                               mma_m16n8k16 takes them ("Register Fragments", Matrix A)
//   wgmma_fence(c)              what this thread did with c, and with the registers a [..][4],
//   wgmma_fence(c, a)           comes before the products that follow (wgmma.fence). Each group of
//                               them begins with one.
//   wgmma_commit()              the products since the last one are a group (wgmma.commit_group)
//   wgmma_wait<n>(c)            all groups but the newest n are done, and c holds their sums
//                               (wgmma.wait_group). Until then no thread may read c, or write into
//                               the shared memory that they read.
//   fence_proxy_async()         what this thread has written into shared memory, its copies
//                               included (those it has waited for), is there for products behind
//                               the next barrier: they read through the "async proxy", and this is
//                               fence.proxy.async ("Async Proxy", "membar/fence")
//   swizzled_memory()           shared_memory(), beginning at a multiple of 1024 bytes
//   shared_window_address(p)    of a pointer into shared memory: what a descriptor holds
//   image_has_warpgroups        whether the code being compiled is for a GPU that has all this, and
//   image_has_warps             whether it is for one that has not, and takes mma_m16n8k16; the
//                               emulated GPU has both (capability.h: which one is at hand)
//   LOOKBACK_KEEP_LOOP          before a loop: it is not unrolled
//   stop_kernel()               ends everything with an error: what stands in the code for other
//                               GPUs, should the host be wrong
#pragma once

#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/matrix_descriptor.h"

namespace lookback::device {

inline constexpr int warpgroup_threads = 4 * warp_threads;

}  // namespace lookback::device

#if defined(__CUDACC__)
#include "kernels/cuda/device/warpgroup_gpu.h"
#else
#include "kernels/cuda/emulated/warpgroup_host.h"
#endif
