#include "autograd/ops/linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "kernels/copy.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor ones(const Shape& shape, DType dtype = DType::f64) {
  const auto x = empty(shape, dtype);
  kernels::copy_forward(Backend::cpu, {.x = make_f64(shape, [](auto) { return 1.0; }), .y = x});
  return x;
}

Tensor waves(const Shape& shape, double frequency) {
  const auto x = empty(shape, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(std::sin(frequency * static_cast<double>(i + 1)));
  }
  return x;
}

Tensor rounded(const Tensor& x) {
  const auto y = empty(x.shape(), DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    y.data<float>()[i] = static_cast<float>(BFloat16(x.data<float>()[i]));
  }
  return y;
}

Tensor from_formula(const Inputs& in) {
  const auto outputs = in[1].size(0), inner = in[1].size(1);
  auto shape = in[0].shape();
  shape[-1] = outputs;
  return make_f64(shape, [&](std::int64_t i) {
    const auto* x = in[0].data<double>() + i / outputs * inner;
    const auto* weight = in[1].data<double>() + i % outputs * inner;
    double y = in.size() > 2 ? in[2].data<double>()[i % outputs] : 0;
    for (std::int64_t k = 0; k < inner; ++k) y += x[k] * weight[k];
    return y;
  });
}

double inner_size(const Shapes& shapes) { return static_cast<double>(shapes[1][1]); }

const OpCase linear_case{
    "linear",
    {.shapes = {{{2, 3, 4}, {5, 4}},
                {{4}, {1, 4}},
                {{0, 3}, {2, 3}},
                {{2, 3}, {0, 3}},
                {{3, 0}, {2, 0}},
                {{31, 33}, {65, 33}},
                {{3, 1025}, {130, 1025}}},
     .call = [](const Inputs& in) { return linear(in[0], in[1]); },
     .reference = from_formula,
     .terms = inner_size,
     .refused = {{[] {
                    linear(ones({2, 3}), ones({4, 5}));
                  },
                  "[linear] weight (4, 5) must be (N, 3): x is (2, 3)"},
                 {[] {
                    linear(ones({2, 3}), ones({4, 3}), ones({3}));
                  },
                  "[linear] bias float64 (3,) must be float64 (4,): weight is (4, 3)"},
                 {[] {
                    linear(ones({2, 3}), ones({4, 3}), {}, Products::bfloat16);
                  },
                  "[linear] products in bfloat16 are made of float32 tensors, not float64"}}}};

const OpCase linear_bias_case{
    "linear/bias",
    {.shapes = {{{2, 3, 4}, {5, 4}, {5}}, {{0, 3}, {2, 3}, {2}}, {{31, 33}, {65, 33}, {65}}},
     .call = [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
     .reference = from_formula,
     .terms = inner_size}};

struct Gradients {
  std::vector<double> y, dx, dweight;
};

Gradients run(const Tensor& given_x, const Tensor& given_weight, const Tensor& dy,
              Products products) {
  const auto x = given_x.detach(), weight = given_weight.detach();
  set_requires_grad(x);
  set_requires_grad(weight);
  const auto y = linear(x, weight, {}, products);
  backward(y, dy);
  return {to_doubles(y), to_doubles(gradient(x)), to_doubles(gradient(weight))};
}

TEST(Linear, Bfloat16ProductsRoundTheOperandsAndNothingElse) {
  const auto x = waves({7, 40}, 0.37), weight = waves({9, 40}, 0.71), dy = waves({7, 9}, 1.3);
  const auto ours = run(x, weight, dy, Products::bfloat16);
  const auto expected = run(rounded(x), rounded(weight), rounded(dy), Products::native);
  const auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-5) << i;
  };
  near(ours.y, expected.y);
  near(ours.dx, expected.dx);
  near(ours.dweight, expected.dweight);
  const auto exact = run(x, weight, dy, Products::native);
  double difference = 0;
  for (std::size_t i = 0; i < ours.y.size(); ++i)
    difference = std::max(difference, std::fabs(ours.y[i] - exact.y[i]));
  EXPECT_GT(difference, 1e-3);
}

TEST(Linear, RowsOfALargerTensorAreReadInPlace) {
  const auto joined = waves({2, 3, 12}, 0.3);
  const auto part = joined.alias({2, 3, 4}, {36, 12, 1}, 4);
  const auto weight = waves({5, 4}, 0.7);
  const void* read = nullptr;
  int calls = 0;
  Tensor y;
  {
    const kernels::ObserveKernels watch([&](const auto&, const auto& inputs, const auto&) {
      read = inputs[0].data;
      ++calls;
    });
    y = linear(part, weight);
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(read, part.raw_data());
  const auto copy = empty({2, 3, 4}, DType::f32);
  kernels::copy_forward(Backend::cpu, {.x = part, .y = copy});
  EXPECT_EQ(to_doubles(y), to_doubles(linear(copy, weight)));
}

TEST(Linear, OnlyTheGradientsThatAreNeededAreComputed) {
  const auto x = waves({2, 3}, 0.3), weight = waves({4, 3}, 0.7);
  set_requires_grad(weight);
  const auto y = linear(x, weight);
  int calls = 0;
  const kernels::ObserveKernels watch([&](const auto& slot, const auto&, const auto&) {
    calls += slot.name == "matmul_forward" ? 1 : 0;
  });
  backward(y, waves({2, 4}, 1));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(gradient(x).defined());
}

}  // namespace
}  // namespace lookback::testing
