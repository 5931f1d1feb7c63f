#include "autograd/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "autograd/ops/log_softmax.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// The logarithm of softmax; nothing but -infinity gives -infinity.
double log_weight(const double* row, std::int64_t columns, std::int64_t at) {
  const double largest = *std::max_element(row, row + columns);
  if (row[at] == -infinity) return -infinity;
  double total = 0;
  for (std::int64_t c = 0; c < columns; ++c) total += std::exp(row[c] - largest);
  return row[at] - largest - std::log(total);
}

Tensor log_reference(const Tensor& x) {
  const auto columns = x.size(-1);
  return make_f64(x.shape(), [&](std::int64_t i) {
    return log_weight(x.data<double>() + i / columns * columns, columns, i % columns);
  });
}

Tensor reference(const Tensor& x) {
  const auto logarithms = log_reference(x);
  return make_f64(x.shape(),
                  [&](std::int64_t i) { return std::exp(logarithms.data<double>()[i]); });
}

// Two of three entries are hidden, and every fourth row as a whole.
Tensor with_hidden(std::size_t, const Shape& shape, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(-3, 3);
  const auto columns = shape[-1];
  return make_f64(shape, [&](std::int64_t i) {
    const double value = uniform(random);
    return i % 3 != 0 || i / columns % 4 == 1 ? -infinity : value;
  });
}

const std::vector<Shapes> shapes = {{{2, 3, 5}}, {{1}},        {{31}},   {{4, 32}}, {{0, 7}},
                                    {{7, 0}},    {{33, 1025}}, {{5, 1}}, {{3, 67}}};
const auto columns_of = [](const Shapes& in) { return static_cast<double>(in[0][-1]); };

const OpCase softmax_case{"softmax",
                          {.shapes = shapes,
                           .call = [](const Inputs& in) { return softmax(in[0]); },
                           .reference = [](const Inputs& in) { return reference(in[0]); },
                           .terms = columns_of,
                           .refused = {{[] { softmax(empty({}, DType::f64)); },
                                        "[softmax] x () must have at least one dimension"},
                                       {[] { softmax(empty({2}, DType::i64)); },
                                        "[softmax] x int64 must have a floating dtype"}}}};
const OpCase hidden_case{"softmax/hidden",
                         {.shapes = shapes,
                          .call = [](const Inputs& in) { return softmax(in[0]); },
                          .reference = [](const Inputs& in) { return reference(in[0]); },
                          .input = with_hidden,
                          .terms = columns_of}};
const OpCase log_case{"log_softmax",
                      {.shapes = shapes,
                       .call = [](const Inputs& in) { return log_softmax(in[0]); },
                       .reference = [](const Inputs& in) { return log_reference(in[0]); },
                       .terms = columns_of,
                       .refused = {{[] { log_softmax(empty({}, DType::f64)); },
                                    "[log_softmax] x () must have at least one dimension"},
                                   {[] { log_softmax(empty({2}, DType::i64)); },
                                    "[log_softmax] x int64 must have a floating dtype"}}}};

// A row of each kind, long enough for whole vectors and a rest.
constexpr std::int64_t columns = 37;
Tensor row(double value, std::int64_t at, double other) {
  return make_f64({1, columns}, [=](std::int64_t i) { return i == at ? value : other; });
}

TEST(Softmax, ARowOfHiddenEntriesIsZeroAndTakesNoGradient) {
  const auto x = row(-infinity, 0, -infinity);
  set_requires_grad(x);
  const auto y = softmax(x);
  for (const double weight : to_doubles(y)) EXPECT_EQ(weight, 0);
  backward(y, row(nan, 3, 1));
  for (const double slope : to_doubles(gradient(x))) EXPECT_EQ(slope, 0);

  clear_gradient(x);
  const auto logarithms = log_softmax(x);
  for (const double value : to_doubles(logarithms)) EXPECT_EQ(value, -infinity);
  backward(logarithms, row(nan, 3, 1));
  for (const double slope : to_doubles(gradient(x))) EXPECT_EQ(slope, 0);
}

// The gradient of a hidden entry, NaN too, reaches no input.
TEST(Softmax, GradientsOfHiddenEntriesAreLeftOut) {
  for (const auto& function : {softmax, log_softmax}) {
    for (const std::int64_t at : {0, 5, 36}) {
      const auto x = make_f64({1, columns}, [=](std::int64_t i) {
        return i == at ? -infinity : std::sin(static_cast<double>(i));
      });
      set_requires_grad(x);
      backward(function(x), row(nan, at, 0.5));
      const auto slopes = to_doubles(gradient(x));
      double total = 0;
      for (std::size_t i = 0; i < slopes.size(); ++i) total += slopes[i];
      EXPECT_EQ(slopes[static_cast<std::size_t>(at)], 0);
      EXPECT_NEAR(total, 0, 1e-14);  // finite: softmax does not feel a shift of its row
    }
  }
}

TEST(Softmax, NanIsNeverHidden) {
  for (const auto& function : {softmax, log_softmax}) {
    for (const double other : {1.0, -infinity}) {
      for (const std::int64_t at : {0, 5, 36}) {
        const auto values = to_doubles(function(row(nan, at, other)));
        EXPECT_TRUE(std::isnan(values[static_cast<std::size_t>(at)])) << at << " " << other;
      }
    }
  }
}

TEST(Softmax, OneVisibleEntryTakesAll) {
  for (const std::int64_t at : {0, 5, 36}) {
    const auto weights = to_doubles(softmax(row(-1e300, at, -infinity)));
    for (std::int64_t i = 0; i < columns; ++i) {
      EXPECT_EQ(weights[static_cast<std::size_t>(i)], i == at ? 1 : 0);
    }
    EXPECT_EQ(to_doubles(log_softmax(row(-1e300, at, -infinity)))[static_cast<std::size_t>(at)], 0);
  }
}

}  // namespace
}  // namespace lookback::testing
