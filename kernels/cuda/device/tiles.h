// Tiles of matrices on a GPU: copies from global to shared memory that run beside the arithmetic,
// and products by the tensor cores. All lanes of a warp take part in ldmatrix and mma_m16n8k16;
// the layouts are those of PTX (ISA 8.x, sections "ldmatrix" and "mma.m16n8k16").
//
//   cp_async(to, from)          16 bytes, both addresses multiples of 16; to lies in shared memory
//   cp_async_zfill(to)          the same, with zeros: for what lies outside of the tensor
//   cp_async_commit()           this thread's copies since the last one are a group
//   cp_async_wait<n>()          all its groups but the newest n are there, for this thread: a
//                               barrier makes them visible to the others
//   ldmatrix(r, row)            four 8 x 8 matrices of 16-bit elements: lane l gives the address of
//                               row l % 8 of matrix l / 8; r[i] are elements (l / 4, 2 (l % 4)) and
//                               the one right of it, of matrix i
//   ldmatrix_trans(r, row)      the same, each matrix transposed
//   mma_m16n8k16(c, a, b)       c [16, 8] += a [16, 16] b [16, 8], bf16 with f32 sums.
//                               With g = l / 4 and t = 2 (l % 4), of lane l begin
//                               a[0], a[1], a[2], a[3] at (g, t), (g + 8, t),
//                               (g, t + 8), (g + 8, t + 8);
//                               b[0], b[1] at (t, g), (t + 8, g), downwards;
//                               c[0..1] at (g, t), c[2..3] at (g + 8, t)
//   pack(low, high)             two floats, rounded to bf16, in one register
#pragma once

#include "kernels/cuda/device/device.h"

#if defined(__CUDACC__)
#include "kernels/cuda/device/tiles_gpu.h"
#else
#include "kernels/cuda/emulated/tiles_host.h"
#endif
