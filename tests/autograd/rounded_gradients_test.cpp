// Gradients that come in bfloat16 to what is float32: who takes them so, and who gets them widened.
#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/gradient.h"
#include "autograd/ops/add_rms_norm.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/unary.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"

namespace lookback::testing {
namespace {

// x rounded, and a gradient of it that has bfloat16's digits.
Tensor rounding(const Tensor& x) { return cast(x, DType::bf16); }
Tensor slopes(const Shape& shape, double frequency) {
  return cast(waves(shape, frequency), DType::bf16);
}

TEST(RoundedGradients, AreWidenedForOperationsAndLeaves) {
  const auto x = waves({5, 7}, 0.3);
  set_requires_grad(x);
  backward(rounding(exp(x)), slopes({5, 7}, 0.9));
  const auto dy = to_doubles(slopes({5, 7}, 0.9)), values = to_doubles(exp(x.detach()));
  const auto dx = to_doubles(gradient(x));
  ASSERT_EQ(gradient(x).dtype(), DType::f32);
  for (std::size_t i = 0; i < dx.size(); ++i)
    EXPECT_EQ(dx[i], static_cast<double>(static_cast<float>(dy[i] * values[i])));
}

// The sum of two is not rounded again.
TEST(RoundedGradients, AreSummedInFull) {
  const auto x = waves({5, 7}, 0.3);
  set_requires_grad(x);
  const auto y = affine(x, 1, 0);
  const Tensor roots[] = {rounding(y), rounding(y), affine(y, 1, 0)};
  const Tensor gradients[] = {slopes({5, 7}, 0.9), slopes({5, 7}, 0.0173), waves({5, 7}, 1.3)};
  backward(roots, gradients, AfterBackward::release);
  const auto dx = to_doubles(gradient(x));
  const auto a = to_doubles(gradients[0]), b = to_doubles(gradients[1]),
             c = to_doubles(gradients[2]);
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], a[i] + b[i] + c[i], 1e-6);
}

TEST(RoundedGradients, AreWidenedForHooks) {
  const auto x = waves({5, 7}, 0.3);
  set_requires_grad(x);
  const auto y = reshape(x, {7, 5});  // which takes rounded ones
  std::vector<DType> seen;
  add_hook(y, [&](const Tensor& gradient) {
    seen.push_back(gradient.dtype());
    return gradient;
  });
  backward(rounding(y), slopes({7, 5}, 0.9));
  EXPECT_EQ(seen, std::vector<DType>{DType::f32});
}

// A norm's gradient goes to the product that made the sum's update without a copy between them.
TEST(RoundedGradients, GoToProductsAsTheyAre) {
  const auto x = waves({6, 8}, 0.3), weight = waves({8, 8}, 0.7), gain = waves({8}, 1.1);
  for (const auto& leaf : {x, weight, gain}) set_requires_grad(leaf);
  const auto update = linear(x, weight, {}, Products::bfloat16);
  const auto normed =
      add_rms_norm(waves({6, 8}, 0.5), update, gain, 1e-3, Products::bfloat16).normed;
  const auto dy = slopes({6, 8}, 0.9);
  std::vector<std::string> names;
  const kernels::ObserveKernels watch(
      [&](const auto& slot, const auto&, const auto&) { names.emplace_back(slot.name); });
  backward(normed, dy);
  EXPECT_EQ(names, (std::vector<std::string>{"rms_norm_backward", "copy_forward", "matmul_forward",
                                             "matmul_forward"}))
      << "a copy of the weight alone";
}

// Products in float32 behind one that rounds: they multiply in float32.
TEST(RoundedGradients, AreWidenedForProductsThatDoNotRound) {
  const auto x = waves({6, 8}, 0.3), weight = waves({8, 8}, 0.7), bias = waves({8}, 0.2);
  for (const auto& leaf : {x, weight, bias}) set_requires_grad(leaf);
  backward(rounding(linear(x, weight, bias)), slopes({6, 8}, 0.9));
  const auto rounded = to_doubles(gradient(weight)), of_bias = to_doubles(gradient(bias));
  for (const auto& leaf : {x, weight, bias}) set_gradient(leaf, {});
  backward(linear(x, weight, bias), cast(slopes({6, 8}, 0.9), DType::f32));
  EXPECT_EQ(rounded, to_doubles(gradient(weight)));
  EXPECT_EQ(of_bias, to_doubles(gradient(bias)));
}

TEST(RoundedGradients, OfOtherDtypesAreRefused) {
  const auto x = waves({5, 7}, 0.3);
  set_requires_grad(x);
  EXPECT_THROW(backward(affine(x, 1, 0), cast(waves({5, 7}, 0.9), DType::f64)), Error);
  const auto half = cast(x, DType::bf16);
  EXPECT_THROW(backward(half, waves({5, 7}, 0.9)), Error);
}

}  // namespace
}  // namespace lookback::testing
