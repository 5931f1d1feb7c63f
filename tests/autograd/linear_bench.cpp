// Several linears as one node against the separate ones: linear_many() for weights that read one x,
// linear_sum() for results that are added up. Shapes of recomputed layers at B4 T256. To compare:
//   lookback_bench --benchmark_filter=separate\|joint --benchmark_repetitions=9
//     --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/linear_sum.h"

namespace lookback {
namespace {

Tensor filled(const Shape& shape, int frequency) {
  const auto x = empty(shape, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i * frequency)));
  }
  return x;
}

// `count` products of [rows, inputs] with [outputs, inputs].
struct Problem {
  std::int64_t count, rows, inputs, outputs;

  explicit Problem(const benchmark::State& state)
      : count(state.range(0)),
        rows(state.range(1)),
        inputs(state.range(2)),
        outputs(state.range(3)) {}

  std::vector<Tensor> matrices(std::int64_t height, std::int64_t width) const {
    std::vector<Tensor> all;
    for (std::int64_t i = 0; i < count; ++i) {
      all.push_back(filled({height, width}, static_cast<int>(i + 1)));
      set_requires_grad(all.back());
    }
    return all;
  }
  void report(benchmark::State& state, int passes) const {
    state.counters["GFLOP/s"] =
        benchmark::Counter(2e-9 * passes * static_cast<double>(count * rows * inputs * outputs),
                           benchmark::Counter::kIsIterationInvariantRate);
  }
};

void clear(const std::vector<Tensor>& leaves) {
  for (const auto& leaf : leaves) clear_gradient(leaf);
}

enum class Way { separate, joint };

template <Way way>
void one_x(benchmark::State& state) {
  const Problem problem(state);
  auto x = filled({problem.rows, problem.inputs}, 1);
  set_requires_grad(x);
  const auto weights = problem.matrices(problem.outputs, problem.inputs);
  const auto gradients = problem.matrices(problem.rows, problem.outputs);
  const bool with_backward = state.range(4) != 0;
  for (auto _ : state) {
    std::vector<Tensor> y;
    if (way == Way::joint) {
      y = linear_many(x, weights);
    } else {
      for (const auto& weight : weights) y.push_back(linear(x, weight));
    }
    if (!with_backward) continue;
    backward(y, gradients, AfterBackward::release);
    clear_gradient(x);
    clear(weights);
  }
  problem.report(state, with_backward ? 3 : 1);
}

template <Way way>
void sum(benchmark::State& state) {
  const Problem problem(state);
  const auto x = problem.matrices(problem.rows, problem.inputs);
  const auto weights = problem.matrices(problem.outputs, problem.inputs);
  const auto dy = filled({problem.rows, problem.outputs}, 1);
  const bool with_backward = state.range(4) != 0;
  for (auto _ : state) {
    Tensor y;
    if (way == Way::joint) {
      std::vector<LinearTerm> terms;
      for (std::size_t i = 0; i < x.size(); ++i) terms.push_back({x[i], weights[i]});
      y = linear_sum(terms);
    } else {
      y = linear(x[0], weights[0]);
      for (std::size_t i = 1; i < x.size(); ++i) y = add(y, linear(x[i], weights[i]));
    }
    if (!with_backward) continue;
    backward(y, dy);
    clear(x);
    clear(weights);
  }
  problem.report(state, with_backward ? 3 : 1);
}

void arguments(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"count", "M", "K", "N", "backward"})->UseRealTime()->MeasureProcessCPUTime();
  bench->Unit(benchmark::kMillisecond);
}

// Value projections of 4 and 8 earlier layers; gate and up.
void shapes_of_one_x(benchmark::internal::Benchmark* bench) {
  arguments(bench);
  for (const int with_backward : {0, 1}) {
    bench->Args({4, 1024, 256, 128, with_backward})->Args({8, 1024, 256, 128, with_backward});
    bench->Args({2, 1024, 256, 688, with_backward})->Args({8, 1, 256, 128, with_backward});
  }
}
BENCHMARK(one_x<Way::separate>)->Name("one_x/separate")->Apply(shapes_of_one_x);
BENCHMARK(one_x<Way::joint>)->Name("one_x/joint")->Apply(shapes_of_one_x);

// Down projections of 4 and 8 layers; output projections.
void shapes_of_sum(benchmark::internal::Benchmark* bench) {
  arguments(bench);
  for (const int with_backward : {0, 1}) {
    bench->Args({4, 1024, 688, 256, with_backward})->Args({8, 1024, 688, 256, with_backward});
    bench->Args({8, 1024, 256, 256, with_backward})->Args({8, 1, 688, 256, with_backward});
  }
}
BENCHMARK(sum<Way::separate>)->Name("sum/separate")->Apply(shapes_of_sum);
BENCHMARK(sum<Way::joint>)->Name("sum/joint")->Apply(shapes_of_sum);

}  // namespace
}  // namespace lookback
