// Tiles of matrices on a GPU: copies from global to shared memory that run beside the arithmetic,
// and products by the tensor cores. All lanes of a warp take part in load_matrices and
// multiply_tiles; the layouts are those of PTX (ISA 8.x, sections "ldmatrix" and "mma.m16n8k16").
//
//   copy_async(to, from)        16 bytes, both addresses multiples of 16; to lies in shared memory
//   fill_async(to)              the same, with zeros: for what lies outside of the tensor
//   commit_copies()             this thread's copies since the last one are a group
//   wait_for_copies<n>()        all its groups but the newest n are there, for this thread: a
//                               barrier makes them visible to the others
//   load_matrices(r, row)       four 8 x 8 matrices of 16-bit elements: lane l gives the address of
//                               row l % 8 of matrix l / 8; r[i] are elements (l / 4, 2 (l % 4)) and
//                               the one right of it, of matrix i
//   load_transposed(r, row)     the same, each matrix transposed
//   multiply_tiles(c, a, b)     c [16, 8] += a [16, 16] b [16, 8], bf16 with f32 sums.
//                               With g = l / 4 and t = 2 (l % 4), of lane l begin
//                               a[0], a[1], a[2], a[3] at (g, t), (g + 8, t),
//                               (g, t + 8), (g + 8, t + 8);
//                               b[0], b[1] at (t, g), (t + 8, g), downwards;
//                               c[0..1] at (g, t), c[2..3] at (g + 8, t)
//   pack(low, high)             two floats, rounded to bf16, in one register
#pragma once

#include "kernels/cuda/device.h"

#if defined(__CUDACC__)
#include "kernels/cuda/tiles_gpu.h"
#else
#include "kernels/cuda/emulated/tiles_host.h"
#endif
