#include "kernels/sum.h"

#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// The dimensions of x, split into those y keeps and those it sums over.
struct Plan {
  Shape kept_sizes, summed_sizes;
  Strides kept_strides, summed_strides;

  explicit Plan(const SumForward& a) {
    for (int dim = 0; dim < a.x.rank(); ++dim) {
      const bool summed = a.y.size(dim) == 1;
      (summed ? summed_sizes : kept_sizes).push_back(a.x.size(dim));
      (summed ? summed_strides : kept_strides).push_back(a.x.stride(dim));
    }
  }

  static std::int64_t offset(std::int64_t index, const Shape& sizes, const Strides& strides) {
    std::int64_t result = 0;
    for (int dim = sizes.rank() - 1; dim >= 0; --dim) {
      result += index % sizes[dim] * strides[dim];
      index /= sizes[dim];
    }
    return result;
  }
};

// One output element: its terms in row-major order, the innermost stretch in a plain loop.
template <class T>
Accumulator<T> sum_of(const T* x, const Plan& plan) {
  using Sum = Accumulator<T>;
  const int last = plan.summed_sizes.rank() - 1;
  if (last < 0) return static_cast<Sum>(*x);
  const std::int64_t row = plan.summed_sizes[last];
  const std::int64_t step = plan.summed_strides[last];
  const std::int64_t terms = plan.summed_sizes.numel();
  Sum total{};
  for (std::int64_t start = 0; start < terms; start += row) {
    const T* at = x + Plan::offset(start, plan.summed_sizes, plan.summed_strides);
    Sum stretch{};
    for (std::int64_t i = 0; i < row; ++i) stretch += static_cast<Sum>(at[i * step]);
    total += stretch;
  }
  return total;
}

void forward(const SumForward& a) {
  visit_any(a.x.dtype, [&]<class T>(TypeTag<T>) {
    const Plan plan(a);
    const std::int64_t terms = std::max<std::int64_t>(plan.summed_sizes.numel(), 1);
    const std::int64_t chunk = std::max<std::int64_t>(1, (1 << 14) / terms);
    parallel_for(a.y.numel(), chunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* x = a.x.as<T>() + Plan::offset(i, plan.kept_sizes, plan.kept_strides);
        a.y.as<T>()[i] = static_cast<T>(sum_of(x, plan));
      }
    });
  });
}

const Registration registered{sum_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
