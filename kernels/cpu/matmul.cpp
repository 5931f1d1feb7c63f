#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_operand.h"

namespace lookback::kernels {
namespace {

// Stride of leading dimension `dim` of the broadcast shape, whose rank is `rank`; 0 where x lacks
// the dimension or repeats its one element.
std::int64_t leading_stride(const Operand& x, int dim, int rank) {
  const int own = dim - (rank - x.rank());
  return own < 0 || x.size(own) == 1 ? 0 : x.stride(own);
}

std::int64_t leading_size(const Operand& x, int dim, int rank) {
  const int own = dim - (rank - x.rank());
  return own < 0 ? 1 : x.size(own);
}

// Where each product of the batch begins. `terms` neighbors share one result: the dimensions that
// y lacks run fastest.
struct Batch {
  std::vector<ProductOffsets> offsets{{}};
  std::int64_t terms = 1;
};

Batch batch_of(const In& a, const In& b, const Out& y) {
  const int rank = std::max({a.rank(), b.rank(), y.rank()});
  Batch batch;
  const auto add_dimension = [&](int dim, std::int64_t size) {
    const ProductOffsets step{.a = leading_stride(a, dim, rank),
                              .b = leading_stride(b, dim, rank),
                              .c = leading_stride(y, dim, rank)};
    const auto outer = std::move(batch.offsets);
    batch.offsets.clear();
    batch.offsets.reserve(outer.size() * static_cast<std::size_t>(size));
    for (const auto& start : outer) {
      for (std::int64_t i = 0; i < size; ++i) {
        batch.offsets.push_back(
            {.a = start.a + i * step.a, .b = start.b + i * step.b, .c = start.c + i * step.c});
      }
    }
  };
  for (const bool summed : {false, true}) {
    for (int dim = 0; dim < rank - 2; ++dim) {
      const auto a_size = leading_size(a, dim, rank);
      const auto size = a_size == 1 ? leading_size(b, dim, rank) : a_size;
      const bool lacks = leading_size(y, dim, rank) == 1 && size != 1;
      if (lacks != summed || size == 1) continue;
      add_dimension(dim, size);
      if (summed) batch.terms *= size;
    }
  }
  return batch;
}

// Whether the offset of every product is `step` more than its neighbor's.
bool evenly_spaced(const std::vector<ProductOffsets>& offsets, std::int64_t ProductOffsets::*which,
                   std::int64_t step) {
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i].*which != static_cast<std::int64_t>(i) * step) return false;
  }
  return true;
}

// A batch that is one larger product in disguise becomes that product: x [B, T, D] times one w, or
// the sum over a batch of x^T dy.
template <class T, class Result>
void run(Gemm<T, Result> p, const Batch& batch) {
  const auto count = static_cast<std::int64_t>(batch.offsets.size());
  const auto a_step = p.a_layout == Layout::as_is ? p.m * p.a_stride : p.m;
  const bool rows_follow = p.a_layout == Layout::as_is && batch.terms == 1 &&
                           evenly_spaced(batch.offsets, &ProductOffsets::a, a_step) &&
                           evenly_spaced(batch.offsets, &ProductOffsets::b, 0) &&
                           evenly_spaced(batch.offsets, &ProductOffsets::c, p.m * p.c_stride);
  if (rows_follow) {
    p.m *= count;
    return gemm(p);
  }
  const bool terms_follow = batch.terms == count && p.a_layout == Layout::transposed &&
                            p.b_layout == Layout::as_is &&
                            evenly_spaced(batch.offsets, &ProductOffsets::a, p.k * p.a_stride) &&
                            evenly_spaced(batch.offsets, &ProductOffsets::b, p.k * p.b_stride);
  if (terms_follow) {
    p.k *= count;
    return gemm(p);
  }
  gemm_batch(p, batch.offsets, batch.terms);
}

template <class T, class Result>
void multiply(const In& a, const In& b, const Out& y, Into into, double alpha) {
  Gemm<T, Result> p{.m = a.size(-2),
                    .n = b.size(-1),
                    .k = a.size(-1),
                    .c = y.as<Result>(),
                    .c_stride = y.stride(-2),
                    .into = into,
                    .alpha = alpha};
  place(a, p.a, p.a_stride, p.a_layout);
  place(b, p.b, p.b_stride, p.b_layout);
  run(p, batch_of(a, b, y));
}

void multiply_any(const In& a, const In& b, const Out& y, Into into, double alpha) {
  visit_floating(a.dtype, [&]<class T>(TypeTag<T>) {
    if (y.dtype == a.dtype) {
      multiply<T, T>(a, b, y, into, alpha);
    } else {
      multiply<T, Accumulator<T>>(a, b, y, into, alpha);
    }
  });
}

void forward(const MatmulForwardArgs& arguments) {
  multiply_any(arguments.a, arguments.b, arguments.y, Into::overwrite, arguments.alpha);
}
void backward(const MatmulBackwardArgs& arguments) {
  multiply_any(arguments.a, arguments.b, arguments.y, Into::sum, arguments.alpha);
}

const Registration registered_forward{matmul_forward, Backend::cpu, forward};
const Registration registered_backward{matmul_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
