#include "nn/adamw.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "runtime/parallel.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor wave(const Shape& shape, double phase, DType dtype = DType::f64) {
  const auto x = empty(shape, dtype);
  visit_floating(dtype, [&]<class T>(TypeTag<T>) {
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      x.data<T>()[i] = static_cast<T>(std::sin(phase + 0.37 * static_cast<double>(i)));
    }
  });
  return x;
}

std::vector<NamedParameter> three_parameters(DType dtype) {
  return {{"matrix", wave({33, 31}, 0, dtype), {}},
          {"vector", wave({1025}, 1, dtype), {}},
          {"long", wave({5, 40000}, 2, dtype), {}}};
}

// The update of one element, written out.
struct PlainElement {
  double w, m = 0, v = 0;
  void step(double g, int t, double rate, double decay) {
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    w *= 1 - rate * decay;
    w -= rate * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.95, t))) + 1e-8);
  }
};

TEST(AdamW, FollowsThePaperElementByElement) {
  for (const auto dtype : {DType::f64, DType::f32}) {
    const auto parameters = three_parameters(dtype);
    AdamW optimizer(parameters, {});
    std::vector<std::vector<PlainElement>> plain;
    for (const auto& parameter : parameters) {
      plain.emplace_back();
      for (const double w : to_doubles(parameter.tensor)) plain.back().push_back({w});
    }
    for (int t = 1; t <= 5; ++t) {
      const double rate = 0.01 * t;
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        const auto& tensor = parameters[p].tensor;
        set_gradient(tensor, wave(tensor.shape(), t + static_cast<double>(p), dtype));
        const auto g = to_doubles(gradient(tensor));
        for (std::size_t i = 0; i < g.size(); ++i) {
          plain[p][i].step(0.5 * g[i], t, rate, tensor.rank() >= 2 ? 0.1 : 0);
        }
      }
      optimizer.step(rate, 0.5);
    }
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const auto ours = to_doubles(parameters[p].tensor);
      for (std::size_t i = 0; i < ours.size(); ++i) {
        ASSERT_NEAR(ours[i], plain[p][i].w, 32 * epsilon_of(dtype)) << parameters[p].name << i;
      }
    }
  }
}

TEST(AdamW, AMissingGradientIsZero) {
  const std::vector<NamedParameter> parameters{{"w", wave({2, 2}, 0), {}}};
  const auto before = to_doubles(parameters[0].tensor);
  AdamW(parameters, {}).step(0.5, 1);
  const auto after = to_doubles(parameters[0].tensor);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(after[i], before[i] * (1 - 0.5 * 0.1));
}

TEST(AdamW, CountsItsWrites) {
  const std::vector<NamedParameter> parameters{{"w", wave({2, 2}, 0), {}}};
  const auto before = parameters[0].tensor.version();
  AdamW(parameters, {}).step(0.5, 1);
  EXPECT_GT(parameters[0].tensor.version(), before);
}

TEST(GradientNorm, IsTheRootOfAllSquares) {
  const auto parameters = three_parameters(DType::f32);
  EXPECT_EQ(gradient_norm(parameters), 0);
  double squares = 0;
  for (const auto& parameter : parameters) {
    set_gradient(parameter.tensor, parameter.tensor);
    for (const double g : to_doubles(parameter.tensor)) squares += g * g;
  }
  const int threads = num_threads();
  set_num_threads(1);
  const double one = gradient_norm(parameters);
  set_num_threads(3);
  EXPECT_EQ(gradient_norm(parameters), one);
  set_num_threads(threads);
  EXPECT_NEAR(one, std::sqrt(squares), 1e-12 * std::sqrt(squares));
}

TEST(ClippingFactor, NeverEnlarges) {
  EXPECT_EQ(clipping_factor(4, 1), 0.25);
  EXPECT_EQ(clipping_factor(0.5, 1), 1);
  EXPECT_EQ(clipping_factor(4, 0), 1);
  EXPECT_EQ(clipping_factor(0, 1), 1);
}

}  // namespace
}  // namespace lookback::testing
