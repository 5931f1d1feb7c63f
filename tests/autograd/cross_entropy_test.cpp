#include "autograd/ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

Tensor integers(const std::vector<std::int64_t>& values) {
  return from_values(values, {static_cast<std::int64_t>(values.size())});
}

double row_nats(const double* logits, std::int64_t columns, std::int64_t target) {
  double largest = logits[0], sum = 0;
  for (std::int64_t v = 0; v < columns; ++v) largest = std::max(largest, logits[v]);
  for (std::int64_t v = 0; v < columns; ++v) sum += std::exp(logits[v] - largest);
  return std::log(sum) + largest - logits[target];
}

const OpCase cross_entropy_case{
    "cross_entropy",
    {.shapes = {{{2, 3, 5}, {2, 3}},
                {{4, 4}, {4}},
                {{3, 1}, {3}},
                {{0, 7}, {0}},
                {{31, 33}, {31}},
                {{9, 1025}, {9}}},
     .call =
         [](const Inputs& in) { return cross_entropy(in[0], in[1], {.ignore_index = 0}).loss_sum; },
     .reference =
         [](const Inputs& in) {
           const auto columns = in[0].size(-1);
           double total = 0;
           for (std::int64_t r = 0; r < in[1].numel(); ++r) {
             const auto target = in[1].data<std::int64_t>()[r];
             if (target != 0)
               total += row_nats(in[0].data<double>() + r * columns, columns, target);
           }
           return make_f64({}, [=](auto) { return total; });
         },
     // Targets from 0 to 3, or 0 where there is one column: 0 is ignored.
     .input =
         [](std::size_t which, const Shape& shape, std::mt19937_64& random) {
           if (which == 0) return Tensor{};
           const auto targets = empty(shape, DType::i64);
           const bool one_column = shape == Shape{3};
           for (auto& target : targets.elements<std::int64_t>()) {
             target = one_column ? 0 : static_cast<std::int64_t>(random() % 4);
           }
           return targets;
         },
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[0][-1]); },
     .refused =
         {{[] {
             cross_entropy(ones({3, 4}), integers({0, 4, 1}));
           },
           "[cross_entropy] target 4 at (1,) of (3,) must be in [0, 4), or -100 to be ignored"},
          {[] {
             cross_entropy(ones({3, 4}), integers({0, -1, 1}));
           },
           "target -1 at (1,)"},
          {[] {
             cross_entropy(ones({3, 4}), integers({0, 1}));
           },
           "[cross_entropy] targets int64 (2,) must be int64 (3,): logits are (3, 4)"},
          {[] {
             const auto logits = ones({1, 4});
             set_requires_grad(logits);
             cross_entropy(logits, integers({1}), {.keep_nats = true});
           },
           "[cross_entropy with keep_nats]"}}}};

TEST(CrossEntropy, CountsAndKeepsNats) {
  const auto logits =
      from_values<double>({1, 3, 2, /**/ 5, 5, 0, /**/ 5, 5, 0, /**/ 9, 0, 0}, {4, 3});
  const auto targets = integers({1, 0, 1, -100});
  const auto result = cross_entropy(logits, targets, {.count_correct = true, .keep_nats = true});
  EXPECT_EQ(result.count.item(), 3);
  EXPECT_EQ(result.correct.item(), 2);  // of two equal logits the first is the prediction
  const auto nats = to_doubles(result.nats);
  EXPECT_NEAR(nats[0], std::log(std::exp(-2) + 1 + std::exp(-1)), 1e-15);
  EXPECT_NEAR(nats[1], std::log(2 + std::exp(-5)), 1e-15);
  EXPECT_EQ(nats[1], nats[2]);
  EXPECT_EQ(nats[3], 0);
  EXPECT_EQ(result.loss_sum.item(), nats[0] + nats[1] + nats[2]);
  EXPECT_NEAR(mean_loss(result).item(), result.loss_sum.item() / 3, 1e-15);
  EXPECT_FALSE(cross_entropy(logits, targets).correct.defined());
  EXPECT_FALSE(cross_entropy(logits, targets).nats.defined());
}

TEST(CrossEntropy, TheFirstLargestIsFoundInLongRows) {
  for (const std::int64_t first : {0, 1, 31, 500, 999}) {
    const auto logits =
        make_f64({1, 1000}, [&](std::int64_t v) { return v == first || v == 999 ? 2.0 : 1.0; });
    const auto correct = [&](std::int64_t target) {
      return cross_entropy(logits, integers({target}), {.count_correct = true}).correct.item();
    };
    EXPECT_EQ(correct(first), 1);
    EXPECT_EQ(correct(999), first == 999 ? 1 : 0);
    EXPECT_EQ(correct(998), 0);
  }
}

TEST(CrossEntropy, WithoutAnyTargetLossAndGradientAreZero) {
  for (const std::int64_t rows : {0, 3}) {
    const auto logits =
        from_values(std::vector<float>(static_cast<std::size_t>(rows * 5), 1), {rows, 5});
    set_requires_grad(logits);
    const auto result = cross_entropy(
        logits, integers(std::vector<std::int64_t>(static_cast<std::size_t>(rows), -100)));
    EXPECT_EQ(result.count.item(), 0);
    const auto loss = mean_loss(result);
    EXPECT_EQ(loss.item(), 0);
    backward(loss);
    for (const double g : to_doubles(gradient(logits))) EXPECT_EQ(g, 0);
  }
}

TEST(CrossEntropy, OneClassCostsNothing) {
  const auto logits = from_values<float>({3, -1}, {2, 1});
  set_requires_grad(logits);
  const auto result = cross_entropy(logits, integers({0, 0}), {.count_correct = true});
  EXPECT_EQ(result.loss_sum.item(), 0);
  EXPECT_EQ(result.correct.item(), 2);
  backward(result.loss_sum);
  EXPECT_EQ(to_doubles(gradient(logits)), (std::vector<double>{0, 0}));
}

TEST(CrossEntropy, OneRowNeedsNoRowDimension) {
  const auto logits = from_values<double>({1, 2, 3}, {3});
  const auto result =
      cross_entropy(logits, from_values<std::int64_t>({1}, {}), {.keep_nats = true});
  EXPECT_NEAR(result.loss_sum.item(), row_nats(logits.data<double>(), 3, 1), 1e-15);
  EXPECT_EQ(result.nats.shape(), Shape{});
}

TEST(CrossEntropy, ASmallLossBesideALargeLogitKeepsItsDigits) {
  const auto logits = from_values<float>({1e6F, 1e6F - 12}, {1, 2});
  EXPECT_NEAR(cross_entropy(logits, integers({0})).loss_sum.item(), std::log1p(std::exp(-12.0)),
              6e-8);
}

TEST(CrossEntropy, ANanAndAnInfinityShow) {
  const auto loss = [](double strange, std::int64_t place, std::int64_t target) {
    const auto logits =
        make_f64({1, 40}, [&](std::int64_t v) { return v == place ? strange : 1.0; });
    return cross_entropy(logits, integers({target})).loss_sum.item();
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const std::int64_t place : {0, 5, 39}) {
    EXPECT_TRUE(std::isnan(loss(nan, place, 2))) << place;
    EXPECT_TRUE(std::isnan(loss(infinity, place, 2))) << place;
    EXPECT_NEAR(loss(-infinity, place, 2), std::log(39), 1e-14) << place;
    EXPECT_EQ(loss(-infinity, place, place), infinity) << place;
  }
}

TEST(CrossEntropy, TheMeanDividesTheGradient) {
  const auto logits = from_values<double>({0, 0, 0, 0, 0, 0}, {3, 2});
  set_requires_grad(logits);
  backward(mean_loss(cross_entropy(logits, integers({1, -100, 0}))));
  EXPECT_EQ(to_doubles(gradient(logits)), (std::vector<double>{0.25, -0.25, 0, 0, -0.25, 0.25}));
}

}  // namespace
}  // namespace lookback::testing
