#include "kernels/sum.h"

#include <cstdlib>

#include "kernels/cuda/device/column_sums.h"
#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {
namespace {

// How the terms of each result are cut, so that few results with many terms keep the whole GPU busy
// too. The parts are added up in their order.
struct Segments {
  std::int64_t count, terms;  // terms of each but the last
  Segments(std::int64_t all_terms, std::int64_t terms_each)
      : count(all_terms <= terms_each ? 1 : device::blocks_for(all_terms, terms_each)),
        terms(terms_each) {}
};

// Neighboring terms lie closest: a warp or a block adds up one segment of one result. Packs are
// for terms that lie side by side.
template <class X, class Y, int group, int width>
struct RowSums {
  static constexpr int threads = 256;
  static constexpr int groups = threads / group;
  using Sum = Accumulator<X>;
  static constexpr std::size_t shared_bytes = groups > 1
                                                  ? 0
                                                  : threads / device::warp_threads * sizeof(Sum);

  const X* x;
  Y* y;  // [segments, results]
  std::int64_t results, terms;
  Segments segments;
  NestSteps result_steps, term_steps;
  Sum scale;

  LOOKBACK_DEVICE void operator()() const {
    const int lane = device::thread_index() % group;
    const auto item = device::block_index() * groups + device::thread_index() / group;
    if (item >= results * segments.count) return;  // the whole group
    const auto segment = item / results;
    const auto begin = segment * segments.terms;
    const auto end = begin + segments.terms < terms ? begin + segments.terms : terms;
    const X* from = x + result_steps.offset(item - segment * results);
    Sum total = 0;
    if constexpr (width > 1) {
      for (auto t = begin + lane * width; t < end; t += group * width) {
        for (const auto value : read_pack<width>(from + t).element) {
          total += static_cast<Sum>(value);
        }
      }
    } else {
      for (auto t = begin + lane; t < end; t += group) {
        total += static_cast<Sum>(from[term_steps.offset(t)]);
      }
    }
    if constexpr (group == device::warp_threads) {
      total = device::reduce_warp(total, device::Plus{});
    } else {
      auto* scratch = reinterpret_cast<Sum*>(device::shared_memory());
      total = device::reduce_block<group>(total, scratch, device::Plus{});
    }
    if (lane == 0) y[item] = scaled_total<Y>(total, static_cast<Accumulator<Y>>(scale));
  }
};

struct SumPlan : ReductionPlan {
  std::int64_t results, terms;
  bool by_columns;
  Segments segments;

  explicit SumPlan(const SumForwardArgs& a)
      : ReductionPlan(a.x, a.y.sizes),
        results(a.y.numel()),
        terms(reduced.numel()),
        by_columns(kept.row() > 1 && std::abs(kept.step()) < std::abs(reduced.step())),
        segments(terms, by_columns ? 512 : 1 << 14) {}
};

// Terms of every result side by side, where packs may be read.
template <class X>
bool terms_are_packs(const SumForwardArgs& a, const SumPlan& plan) {
  constexpr int width = pack_width<X>;
  if (plan.reduced.sizes.rank() != 1 || plan.reduced.step() != 1 || plan.terms % width != 0 ||
      !is_aligned<X>(a.x.data, width)) {
    return false;
  }
  for (int dim = 0; dim < plan.kept.strides.rank(); ++dim) {
    if (plan.kept.strides[dim] % width != 0) return false;
  }
  return true;
}

// The first stage: all there is to do with one segment.
template <class X, class Y>
void sum_segments(const SumForwardArgs& a, const SumPlan& plan, Y* y, Accumulator<X> scale) {
  const auto* x = a.x.as<X>();
  const NestSteps results(plan.kept), terms(plan.reduced);
  if (plan.by_columns) {
    const auto run = [&]<class Steps>(const Steps& columns, const Steps& rows) {
      launch_column_sums(ColumnSums<X, Y, Steps>{x, y, plan.results, plan.terms,
                                                 plan.segments.terms, columns, rows, scale},
                         plan.segments.count);
    };
    if (results.rank <= 1 && terms.rank <= 1) {
      run(EvenSteps{plan.kept.step()}, EvenSteps{plan.reduced.step()});
    } else {
      run(results, terms);
    }
    return;
  }
  const auto run = [&]<int group, int width>(std::integer_sequence<int, group, width>) {
    using Kernel = RowSums<X, Y, group, width>;
    const Kernel kernel{x, y, plan.results, plan.terms, plan.segments, results, terms, scale};
    device::launch(
        {.blocks = device::blocks_for(plan.results * plan.segments.count, Kernel::groups),
         .shared_bytes = Kernel::shared_bytes},
        kernel);
  };
  const auto with_width = [&]<int width>(std::integral_constant<int, width>) {
    if (plan.terms <= 1024) {
      run(std::integer_sequence<int, device::warp_threads, width>{});
    } else {
      run(std::integer_sequence<int, 256, width>{});
    }
  };
  if (terms_are_packs<X>(a, plan)) {
    with_width(std::integral_constant<int, pack_width<X>>{});
  } else {
    with_width(std::integral_constant<int, 1>{});
  }
}

// Where there is one term per result.
template <class T>
struct Scaled {
  Accumulator<T> scale;
  LOOKBACK_DEVICE T operator()(Accumulator<T> x) const { return scaled_total<T>(x, scale); }
};

void forward(const SumForwardArgs& a) {
  if (a.y.numel() == 0) return;
  const SumPlan plan(a);
  visit_any(a.x.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    T* y = a.y.as<T>();
    const auto scale = static_cast<Sum>(a.scale);
    if (plan.terms == 1) {
      map_on_gpu<T, T>(a.y, Scaled<T>{scale}, a.x);
      return;
    }
    if (plan.segments.count == 1) {
      sum_segments<T, T>(a, plan, y, scale);
      return;
    }
    auto* parts = a.workspace.as<Sum>();
    sum_segments<T, Sum>(a, plan, parts, Sum(1));
    sum_dense_columns(parts, y, plan.segments.count, plan.results, scale);
  });
}

// The sums of the segments.
std::size_t workspace_bytes(const SumForwardArgs& a) {
  const SumPlan plan(a);
  if (plan.results == 0 || plan.segments.count == 1) return 0;
  return static_cast<std::size_t>(plan.segments.count * plan.results) *
         size_of(accumulator_of(a.x.dtype));
}

const Registration registered{sum_forward, Backend::cuda, forward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
