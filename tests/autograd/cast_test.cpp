#include "autograd/ops/cast.h"

#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase cast_case{
    "cast",
    {.shapes = {{{2, 3, 5}}, {{}}, {{0, 7}}, {{33, 31}}, {{1025}}},
     .call = [](const Inputs& in) { return cast(in[0], accumulator_of(in[0].dtype())) * 2; },
     .reference =
         [](const Inputs& in) {
           const auto* x = in[0].data<double>();
           return make_f64(in[0].shape(), [=](std::int64_t i) { return 2 * x[i]; });
         },
     .refused = {{[] {
                    const auto x = empty({2}, DType::f64);
                    set_requires_grad(x);
                    cast(x, DType::i64);
                  },
                  "[cast]"}}}};

TEST(Cast, RoundsToNearestAndCutsOffFractions) {
  const auto x = from_values(std::vector<double>{1.00390625, 1.01171875, -2.75, 3.0, 1e300}, {5});
  EXPECT_EQ(to_doubles(cast(x, DType::bf16)),
            (std::vector<double>{1, 1.015625, -2.75, 3, INFINITY}));
  const auto y = from_values(std::vector<float>{-2.75F, 3.5F, 0.0F}, {3});
  EXPECT_EQ(to_doubles(cast(y, DType::i64)), (std::vector<double>{-2, 3, 0}));
  EXPECT_EQ(to_doubles(cast(cast(y, DType::i64), DType::f32)), (std::vector<double>{-2, 3, 0}));
  EXPECT_TRUE(cast(y, DType::f32).is(y));
}

TEST(Cast, GradientIsCastBack) {
  const auto x = from_values(std::vector<double>{1, 2}, {2});
  set_requires_grad(x);
  const auto y = cast(x, DType::bf16);
  backward(y, cast(from_values(std::vector<double>{1.01, -3}, {2}), DType::bf16));
  EXPECT_EQ(gradient(x).dtype(), DType::f64);
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{1.0078125, -3}));
}

}  // namespace
}  // namespace lookback::testing
