#include "autograd/ops/max.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "autograd/ops/argmax.h"
#include "autograd/ops/sum.h"
#include "autograd/ops/transpose.h"
#include "tests/autograd/reduction_reference.h"

namespace lookback::testing {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double largest_of(std::span<const double> terms) {
  return *std::max_element(terms.begin(), terms.end());
}

OpCaseOptions over(const std::vector<int>& dims, KeepDims keep, const Shapes& shapes) {
  std::vector<Shapes> variants;
  for (const auto& shape : shapes) variants.push_back({shape});
  return {.shapes = variants,
          .call = [=](const Inputs& in) { return max(in[0], dims, keep); },
          .reference =
              [=](const Inputs& in) { return reduction_reference(in[0], dims, keep, largest_of); }};
}

const OpCase last{"max/last", over({-1}, KeepDims::no, {{2, 3, 5}, {1}, {0, 7}, {33, 1025}})};
const OpCase first{"max/first", over({0}, KeepDims::yes, {{5, 3, 2}, {1}, {7, 0}, {1025, 33}})};
const OpCase outer{"max/outer", over({0, -1}, KeepDims::no, {{3, 4, 5}, {31, 2, 33}})};
const OpCase none{"max/none", over({}, KeepDims::no, {{3, 4}, {}})};
const OpCase all{"max",
                 {.shapes = {{{2, 3}}, {{}}, {{1025, 31}}},
                  .call = [](const Inputs& in) { return max(in[0]); },
                  .reference =
                      [](const Inputs& in) {
                        const auto x = in[0].elements<double>();
                        return make_f64({}, [=](std::int64_t) { return largest_of(x); });
                      },
                  .refused = {{[] {
                                 max(empty({2, 0}, DType::f64));
                               },
                               "[max] x (2, 0) has no elements to choose from"},
                              {[] {
                                 max(empty({2, 3}, DType::f64), {2});
                               },
                               "[max] dim=2 is out of range"},
                              {[] {
                                 argmax(empty({2, 0}, DType::f64));
                               },
                               "[argmax] x (2, 0) has no elements to choose from"}}}};

Tensor of(const std::vector<double>& values, const Shape& shape) {
  return from_values(values, shape);
}

TEST(Max, GradientOfTiesGoesToTheFirst) {
  const auto x = of({1, 4, 4, 2, 3, 3}, {2, 3});
  set_requires_grad(x);
  backward(sum(max(x, {1})));
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{0, 1, 0, 0, 1, 0}));
  clear_gradient(x);
  backward(sum(max(transpose(x, 0, 1), {0, 1})));  // row-major order of the transpose: 1 2 4 3 ..
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{0, 1, 0, 0, 0, 0}));
}

TEST(Max, NanIsLargest) {
  const auto x = of({1, nan, 3, nan, 2, 2}, {2, 3});
  for (const double value : to_doubles(max(x, {1}))) EXPECT_TRUE(std::isnan(value));
  EXPECT_EQ(to_doubles(argmax(x)), (std::vector<double>{1, 0}));
  EXPECT_EQ(to_doubles(max(of({-INFINITY, -INFINITY}, {2}))), (std::vector<double>{-INFINITY}));
}

TEST(Argmax, IsTheFirstOfEqualOnesAlongAnyDimension) {
  const auto x = of({1, 4, 4, 2, 3, 3}, {2, 3});
  EXPECT_EQ(argmax(x).dtype(), DType::i64);
  EXPECT_EQ(to_doubles(argmax(x)), (std::vector<double>{1, 1}));
  EXPECT_EQ(to_doubles(argmax(x, 0)), (std::vector<double>{1, 0, 0}));
  EXPECT_EQ(to_doubles(argmax(transpose(x, 0, 1), 0)), (std::vector<double>{1, 1}));
  set_requires_grad(x);
  EXPECT_THROW(argmax(x), Error);
}

}  // namespace
}  // namespace lookback::testing
