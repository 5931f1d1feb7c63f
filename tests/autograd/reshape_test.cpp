#include "autograd/ops/reshape.h"

#include <gtest/gtest.h>

#include "autograd/ops/transpose.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor same_elements(const Tensor& x, const Shape& shape) {
  return make_f64(shape, [&](std::int64_t i) { return x.data<double>()[i]; });
}

const OpCase split{
    "reshape",
    {.shapes = {{{2, 6}}, {{0, 6}}, {{33, 6}}},
     .call =
         [](const Inputs& in) {
           return reshape(in[0], {-1, 2, 3});
         },
     .reference =
         [](const Inputs& in) {
           return same_elements(in[0], {in[0].numel() / 6, 2, 3});
         },
     .refused = {{[] {
                    reshape(empty({2, 3}, DType::f64), {4, -1});
                  },
                  "[reshape] x (2, 3) has 6 elements, which shape (4, -1) does not fit"},
                 {[] {
                    reshape(empty({2, 3}, DType::f64), {7});
                  },
                  "[reshape] x (2, 3) has 6 elements, which shape (7,) does not fit"},
                 {[] {
                    reshape(empty({0, 3}, DType::f64), {0, -1});
                  },
                  "[reshape] x (0, 3) has 0 elements, which shape (0, -1) does not fit"},
                 {[] {
                    reshape(empty({2, 3}, DType::f64), {-1, -1});
                  },
                  "[reshape] shape (-1, -1): sizes are 0 and up"}}}};
const OpCase merge{
    "reshape/merge",
    {.shapes = {{{2, 3, 5}}, {{1}}, {{31, 33}}, {{}}},
     .call = [](const Inputs& in) { return reshape(in[0], {-1}); },
     .reference = [](const Inputs& in) { return same_elements(in[0], {in[0].numel()}); }}};

bool is_view(const Tensor& y, const Tensor& x) { return y.storage() == x.storage(); }

TEST(Reshape, IsAViewWhereStridesAllowIt) {
  const auto x = make_f64({4, 6, 5}, [](std::int64_t i) { return static_cast<double>(i); });
  EXPECT_TRUE(is_view(reshape(x, {24, 5}), x));
  EXPECT_FALSE(reshape(x, {4, 6, 5}).is(x));
  const auto swapped = transpose(x, 0, 1);  // (6, 4, 5), strides 5, 30, 1
  EXPECT_TRUE(is_view(reshape(swapped, {2, 3, 4, 5, 1}), x));
  EXPECT_TRUE(is_view(reshape(swapped, {6, 1, 2, 2, 5}), x));
  EXPECT_FALSE(is_view(reshape(swapped, {24, 5}), x));
  const auto part = x.alias({4, 2, 5}, x.strides());  // rows of 10 in 30
  EXPECT_TRUE(is_view(reshape(part, {4, 10}), x));
  EXPECT_TRUE(is_view(reshape(part, {2, 2, 5, 2}), x));
  EXPECT_FALSE(is_view(reshape(part, {8, 5}), x));
}

// Every split of 24 elements into up to three sizes, of views of several strides.
TEST(Reshape, GivesTheSameElementsForAnyStrides) {
  const auto x = make_f64({4, 6, 5}, [](std::int64_t i) { return static_cast<double>(i); });
  const std::vector<Tensor> views = {x.alias({4, 6}, {30, 5}), x.alias({6, 4}, {5, 30}),
                                     x.alias({4, 6}, {30, 1}), x.alias({4, 6}, {0, 5}),
                                     x.alias({24}, {5}),       x.alias({2, 1, 12}, {60, 7, 5}),
                                     x.alias({4, 6}, {0, 0}),  x.alias({1, 24, 1}, {9, 2, 3})};
  for (const auto& view : views) {
    const auto expected = to_doubles(view);
    for (std::int64_t a = 1; a <= 24; ++a) {
      for (std::int64_t b = 1; b <= 24; ++b) {
        if (24 % (a * b) != 0) continue;
        EXPECT_EQ(to_doubles(reshape(view, {a, b, 24 / (a * b)})), expected)
            << to_string(view.shape()) << to_string(view.strides()) << a << " " << b;
      }
    }
  }
}

}  // namespace
}  // namespace lookback::testing
