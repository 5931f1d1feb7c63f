#include "kernels/max.h"

#include <cmath>
#include <cstdlib>

#include "kernels/cuda/device/column_sums.h"
#include "kernels/cuda/device/row_reduce.h"
#include "kernels/fill.h"

namespace lookback::kernels {
namespace {

// Where the results of a reduction come from, and go to.
template <class T>
struct Operands {
  const T* x;
  T* y;                 // null: not wanted
  std::int64_t* index;  // null: not wanted
  std::int64_t results, terms;
  NestSteps result_steps, term_steps;

  LOOKBACK_DEVICE const T* terms_of(std::int64_t result) const {
    return x + result_steps.offset(result);
  }
  LOOKBACK_DEVICE void finish(std::int64_t result, std::int64_t place) const {
    if (y != nullptr) y[result] = terms_of(result)[term_steps.offset(place)];
    if (index != nullptr) index[result] = place;
  }
};

// NaN counts as larger than any number; of equal ones the first stays.
template <class Sum>
LOOKBACK_DEVICE bool replaces(Sum value, Sum best) {
  return value > best || (value != value && best == best);
}

// Neighboring results lie closest: a thread for each.
template <class T>
struct LargestInColumn {
  static constexpr int threads = 256;
  Operands<T> of;

  LOOKBACK_DEVICE void operator()() const {
    using Sum = Accumulator<T>;
    const auto result = device::block_index() * threads + device::thread_index();
    if (result >= of.results) return;
    const T* terms = of.terms_of(result);
    auto best = static_cast<Sum>(terms[0]);
    std::int64_t place = 0;
    for (std::int64_t t = 1; t < of.terms; ++t) {
      const auto value = static_cast<Sum>(terms[of.term_steps.offset(t)]);
      if (!replaces(value, best)) continue;
      best = value;
      place = t;
    }
    of.finish(result, place);
  }
};

// Neighboring terms lie closest: a warp or a block for each result.
constexpr int row_threads = 256;
template <class T, int group>
struct LargestInRow {
  static constexpr int threads = row_threads;
  static constexpr int groups = threads / group;
  static constexpr std::size_t shared_bytes = groups > 1 ? 0
                                                         : threads / device::warp_threads *
                                                               sizeof(std::int64_t);
  Operands<T> of;

  LOOKBACK_DEVICE void operator()() const {
    using Sum = Accumulator<T>;
    const auto result = device::block_index() * groups + device::thread_index() / group;
    if (result >= of.results) return;  // the whole group
    const int lane = device::thread_index() % group;
    const T* terms = of.terms_of(result);
    auto best = static_cast<Sum>(terms[0]);  // a thread without terms repeats the first
    std::int64_t place = 0;
    for (std::int64_t t = lane; t < of.terms; t += group) {
      const auto value = static_cast<Sum>(terms[of.term_steps.offset(t)]);
      if (!replaces(value, best)) continue;
      best = value;
      place = t;
    }
    const auto largest = reduce(best, device::Larger{});
    const bool has_it = !replaces(largest, best);
    place = reduce(has_it ? place : of.terms, device::Smaller{});
    if (lane == 0) of.finish(result, place);
  }

 private:
  template <class Value, class Combine>
  LOOKBACK_DEVICE static Value reduce(Value value, const Combine& combine) {
    if constexpr (group == device::warp_threads) {
      return device::reduce_warp(value, combine);
    } else {
      auto* scratch = reinterpret_cast<Value*>(device::shared_memory());
      return device::reduce_block<group>(value, scratch, combine);
    }
  }
};

void forward(const MaxForwardArgs& a) {
  const auto& kept_sizes = a.y.present() ? a.y.sizes : a.index.sizes;
  const ReductionPlan plan(a.x, kept_sizes);
  const bool by_columns =
      plan.kept.row() > 1 && std::abs(plan.kept.step()) < std::abs(plan.reduced.step());
  visit_any(a.x.dtype, [&]<class T>(TypeTag<T>) {
    const Operands<T> operands{
        a.x.as<T>(),          a.y.as<T>(),          a.index.as<std::int64_t>(), kept_sizes.numel(),
        plan.reduced.numel(), NestSteps(plan.kept), NestSteps(plan.reduced)};
    const auto by_rows = [&]<int group>(std::integral_constant<int, group>) {
      using Kernel = LargestInRow<T, group>;
      device::launch({.blocks = device::blocks_for(operands.results, Kernel::groups),
                      .shared_bytes = Kernel::shared_bytes},
                     Kernel{operands});
    };
    if (by_columns) {
      const LargestInColumn<T> kernel{operands};
      device::launch({.blocks = device::blocks_for(operands.results, kernel.threads)}, kernel);
    } else if (operands.terms <= 1024) {
      by_rows(std::integral_constant<int, device::warp_threads>{});
    } else {
      by_rows(std::integral_constant<int, row_threads>{});
    }
  });
}

// No two results point to one element.
template <class T>
struct Scatter {
  static constexpr int threads = 256;
  const T* dy;
  const std::int64_t* index;
  T* dx;
  std::int64_t results;
  NestSteps dy_steps, result_steps, term_steps;

  LOOKBACK_DEVICE void operator()() const {
    const auto result = device::block_index() * threads + device::thread_index();
    if (result >= results) return;
    dx[result_steps.offset(result) + term_steps.offset(index[result])] =
        dy[dy_steps.offset(result)];
  }
};

void backward(const MaxBackwardArgs& a) {
  const ReductionPlan plan(a.dx, a.index.sizes);
  Nest of_dy;
  for (int dim = 0; dim < a.dy.rank(); ++dim) of_dy.append(a.dy.size(dim), a.dy.stride(dim));
  fill.at(Backend::cuda)({.y = a.dx, .value = 0});
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    const Scatter<T> kernel{
        a.dy.as<T>(),     a.index.as<std::int64_t>(), a.dx.as<T>(),           a.index.numel(),
        NestSteps(of_dy), NestSteps(plan.kept),       NestSteps(plan.reduced)};
    device::launch({.blocks = device::blocks_for(kernel.results, kernel.threads)}, kernel);
  });
}

const Registration forward_registered{max_forward, Backend::cuda, forward};
const Registration backward_registered{max_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
