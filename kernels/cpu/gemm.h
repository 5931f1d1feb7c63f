// Matrix products of the CPU backend, on raw pointers.
//
//   gemm(Gemm<T, Result>{.m, .n, .k, .a, .a_stride, .a_layout, .b, ..., .c, .c_stride, .into,
//   .alpha}) c[m, n] = alpha * op(a)[m, k] op(b)[k, n]        (Into::overwrite: c is not read) c[m,
//   n] += alpha * op(a)[m, k] op(b)[k, n]       (Into::sum)
//
// Row-major, leading strides in elements (gemm_arguments.h). f32 with sums in f32, f64 with sums in
// f64; bf16 operands into an f32 or a bf16 result, products and sums in f32 (into a bf16 result the
// whole sum is rounded once). Sizes may be 0; k = 0 gives zeros. A result must not
// overlap an operand.
//
// The output is cut into tiles whose size follows from m, n, k alone; a small output with a large k
// is cut along k as well, and the parts are added up in order. So the bits do not depend on the
// number of threads. They do depend on the instruction set (isa.h).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/isa.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

// On all threads.
template <class T, class Result>
void gemm(const Gemm<T, Result>& product);

// Where one product of a batch begins, in elements from the first one's pointers.
struct ProductOffsets {
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
};

// Many products of the same sizes, strides and layouts, on all threads. With `terms` > 1 each run
// of that many neighbours in `offsets` has one c, which receives their sum, added in order.
template <class T, class Result>
void gemm_batch(const Gemm<T, Result>& product, std::span<const ProductOffsets> offsets,
                std::int64_t terms = 1);

// The sum of at least one product of the same m, n, c, c_stride, into and alpha, in one result, on
// all threads: added in order, tile by tile of the result. `row` [n], where not null, is added to
// each row of the sum; a bf16 result is rounded once, after that.
template <class T, class Result>
void gemm_sum(std::span<const Gemm<T, Result>> products, const Result* row = nullptr);

// On the calling thread alone: for use inside a loop that is parallel already.
inline void tile_product(const Gemm<float>& product) { chosen_tile_kernels().f32(product); }
inline void tile_product(const Gemm<double>& product) { chosen_tile_kernels().f64(product); }
void tile_product(const Gemm<BFloat16, float>& product);
void tile_product(const Gemm<BFloat16, BFloat16>& product);

extern template void gemm(const Gemm<float, float>&);
extern template void gemm(const Gemm<double, double>&);
extern template void gemm(const Gemm<BFloat16, float>&);
extern template void gemm(const Gemm<BFloat16, BFloat16>&);
extern template void gemm_batch(const Gemm<float, float>&, std::span<const ProductOffsets>,
                                std::int64_t);
extern template void gemm_batch(const Gemm<double, double>&, std::span<const ProductOffsets>,
                                std::int64_t);
extern template void gemm_batch(const Gemm<BFloat16, float>&, std::span<const ProductOffsets>,
                                std::int64_t);
extern template void gemm_batch(const Gemm<BFloat16, BFloat16>&, std::span<const ProductOffsets>,
                                std::int64_t);
extern template void gemm_sum(std::span<const Gemm<float, float>>, const float*);
extern template void gemm_sum(std::span<const Gemm<double, double>>, const double*);
extern template void gemm_sum(std::span<const Gemm<BFloat16, float>>, const float*);
extern template void gemm_sum(std::span<const Gemm<BFloat16, BFloat16>>, const BFloat16*);

}  // namespace lookback::kernels
