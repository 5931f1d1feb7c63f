#include "autograd/ops/silu_mul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

double silu(double z) { return z / (1 + std::exp(-z)); }

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

const OpCase silu_mul_case{
    "silu_mul",
    {.shapes = {{{2, 3, 5}, {2, 3, 5}},
                {{1}, {1}},
                {{0, 3}, {0, 3}},
                {{3, 0}, {3, 0}},
                {{31, 33}, {31, 33}},
                {{40, 1025}, {40, 1025}}},
     .call = [](const Inputs& in) { return silu_mul(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           return make_f64(in[0].shape(), [&](std::int64_t i) {
             return silu(in[0].data<double>()[i]) * in[1].data<double>()[i];
           });
         },
     .refused = {{[] {
                    silu_mul(ones({2, 3}), ones({3, 2}));
                  },
                  "[silu_mul] gate (2, 3) and up (3, 2) must have one shape"}}}};

const OpCase silu_mul_halves_case{
    "silu_mul/halves",
    {.shapes = {{{2, 3, 10}}, {{2}}, {{0, 4}}, {{31, 66}}, {{40, 2050}}},
     .call = [](const Inputs& in) { return silu_mul(in[0]); },
     .reference =
         [](const Inputs& in) {
           auto shape = in[0].shape();
           const auto half = shape[-1] /= 2;
           return make_f64(shape, [&](std::int64_t i) {
             const auto* row = in[0].data<double>() + i / half * 2 * half;
             return silu(row[i % half]) * row[i % half + half];
           });
         },
     .refused = {{[] {
                    silu_mul(ones({2, 3}));
                  },
                  "[silu_mul] gate_up (2, 3) must have an even last size"}}}};

template <class T>
void expect_limits() {
  const auto nan = std::numeric_limits<T>::quiet_NaN();
  const auto gate = from_values<T>({-2000, 2000, nan, 0}, {4});
  const auto up = from_values<T>({3, 3, 3, 3}, {4});
  set_requires_grad(gate);
  set_requires_grad(up);
  const auto y = silu_mul(gate, up);
  EXPECT_NEAR(y.template data<T>()[0], 0, 1e-30);
  EXPECT_EQ(y.template data<T>()[1], 6000);
  EXPECT_TRUE(std::isnan(y.template data<T>()[2]));
  backward(y, from_values<T>({1, 1, 1, 1}, {4}));
  EXPECT_NEAR(gradient(gate).template data<T>()[0], 0, 1e-30);
  EXPECT_EQ(gradient(gate).template data<T>()[1], 3);
  EXPECT_TRUE(std::isnan(gradient(gate).template data<T>()[2]));
  EXPECT_EQ(gradient(gate).template data<T>()[3], T(1.5));
  EXPECT_EQ(gradient(up).template data<T>()[1], 2000);
  EXPECT_TRUE(std::isnan(gradient(up).template data<T>()[2]));
}

TEST(SiluMul, SaturatesWithoutOverflowAndKeepsNan) {
  expect_limits<float>();
  expect_limits<double>();
}

}  // namespace
}  // namespace lookback::testing
