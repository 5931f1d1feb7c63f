// Matrix products of the CPU backend, on raw pointers.
//
//   c[m, n]  = alpha * op(a)[m, k] op(b)[k, n]       (Into::overwrite: c is not read)
//
//   c[m, n] += alpha * op(a)[m, k] op(b)[k, n]       (Into::sum)
//
// Row-major, leading strides in elements (gemm_arguments.h). f32 with sums in f32, f64 with sums in
// f64; bf16 operands into an f32 or a bf16 result, products and sums in f32 (into a bf16 result the
// whole sum is rounded once). Sizes may be 0; k = 0 gives zeros. A result must not
// overlap an operand.
//
// Row-invariant: the bits of a row of c follow from that row of a, from b, from k and from the
// instruction set (isa.h). They depend neither on where the row stands, nor on how many rows stand
// beside it (m), nor on the number of threads, nor on which of the functions below runs. Tiles of
// the output begin where that holds; k is summed in pieces whose depth follows from k, one after
// the other (gemm_pieces.h), also where the pieces are shared out among threads.
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
// of that many neighbors in `offsets` has one c, which receives their sum, added in order.
template <class T, class Result>
void gemm_batch(const Gemm<T, Result>& product, std::span<const ProductOffsets> offsets,
                std::int64_t terms = 1);

// The sum of at least one product of the same m, n, c, c_stride, into and alpha, in one result, on
// all threads: added in order, tile by tile of the result. `row` [n], where not null, is added to
// each row of the sum; a bf16 result is rounded once, after that.
template <class T, class Result>
void gemm_sum(std::span<const Gemm<T, Result>> products, const Result* row = nullptr);

// On the calling thread alone: for use inside a loop that is parallel already.
void tile_product(const Gemm<float>& product);
void tile_product(const Gemm<double>& product);
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
