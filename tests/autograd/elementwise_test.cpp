// The functions of one tensor, element by element: their cases, their accuracy over wide ranges,
// and what they make of infinities, NaN and numbers past their range.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/unary.h"
#include "tests/autograd/broadcast_reference.h"

namespace lookback::testing {
namespace {

using Function = std::function<Tensor(const Tensor&)>;
using Scalar = std::function<double(double)>;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double positive_feature(double x) { return x < 0 ? std::exp(x) : x + 1; }
double gelu_by_tanh(double x) {
  const double u = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return x * logistic(2 * u);  // (1 + tanh u) / 2
}

Tensor gelu_exact(const Tensor& x) { return gelu(x, GeluForm::exact); }
Tensor gelu_tanh(const Tensor& x) { return gelu(x, GeluForm::tanh); }
Tensor clamp_at_half(const Tensor& x) { return clamp(x, 0.53125); }
Tensor cube(const Tensor& x) { return power(x, 3); }
Tensor square(const Tensor& x) { return power(x, 2); }
Tensor inverse_root(const Tensor& x) { return power(x, -0.3); }

OpCaseOptions on(double low, double high, double large, const Function& call,
                 const Scalar& scalar) {
  return {
      .shapes =
          {{{2, 3, 5}}, {{}}, {{0, 7}}, {{1}}, {{31}}, {{32}}, {{33, 31}}, {{1025}}, {{40000}}},
      .call = [=](const Inputs& in) { return call(in[0]); },
      .reference =
          [=](const Inputs& in) {
            const auto* x = in[0].data<double>();
            return make_f64(in[0].shape(), [=](std::int64_t i) { return scalar(x[i]); });
          },
      .low = low,
      .high = high,
      .large = large,
      .refused = {{[=] { call(empty({2}, DType::i64)); }, "] x int64 must have a floating dtype"}}};
}

const OpCase exp_case{"exp", on(-2, 2, 20, exp, [](double x) { return std::exp(x); })};
const OpCase log_case{"log", on(0.1, 4, 1e6, log, [](double x) { return std::log(x); })};
const OpCase sqrt_case{"sqrt", on(0.1, 4, 1e6, sqrt, [](double x) { return std::sqrt(x); })};
const OpCase rsqrt_case{"rsqrt", on(0.1, 4, 1e6, rsqrt, [](double x) { return 1 / std::sqrt(x); })};
const OpCase sigmoid_case{"sigmoid", on(-2, 2, 100, sigmoid, logistic)};
const OpCase tanh_case{"tanh", on(-2, 2, 100, tanh, [](double x) { return std::tanh(x); })};
const OpCase silu_case{"silu", on(-2, 2, 100, silu, [](double x) { return x * logistic(x); })};
const OpCase elu_plus_one_case{"elu_plus_one", on(-2, 2, 100, elu_plus_one, positive_feature)};
const OpCase gelu_case{
    "gelu", on(-2, 2, 100, gelu_exact, [](double x) { return x * normal_distribution(x); })};
const OpCase gelu_tanh_case{"gelu/tanh", on(-2, 2, 100, gelu_tanh, gelu_by_tanh)};
const OpCase clamp_case{"clamp", on(-2, 2, 100, clamp_at_half,
                                    [](double x) { return std::clamp(x, -0.53125, 0.53125); })};
const OpCase square_case{"power/square", on(-2, 2, 100, square, [](double x) { return x * x; })};
const OpCase cube_case{"power/cube", on(-2, 2, 100, cube, [](double x) { return x * x * x; })};
const OpCase inverse_root_case{
    "power/constant", on(0.5, 4, 100, inverse_root, [](double x) { return std::pow(x, -0.3); })};
const OpCase power_case{"power",
                        {.shapes = {{{2, 3}, {2, 3}},
                                    {{4, 1, 3}, {5, 1}},
                                    {{}, {2}},
                                    {{5}, {}},
                                    {{0, 3}, {3}},
                                    {{31, 33}, {33}},
                                    {{1025}, {1}}},
                         .call = [](const Inputs& in) { return power(in[0], in[1]); },
                         .reference =
                             [](const Inputs& in) {
                               return broadcast_reference(
                                   in, [](double x, double p) { return std::pow(x, p); });
                             },
                         .low = 0.5,
                         .high = 2,
                         .large = 0}};

// The slopes of 0 ^ p are never NaN. And plain exponents keep more than bf16's eight bits.
TEST(Power, AtZeroAndWithPlainExponents) {
  const auto x = from_values(std::vector<double>{0, 0, 4}, {3});
  const auto p = from_values(std::vector<double>{2, 0, 0.5}, {3});
  set_requires_grad(x);
  set_requires_grad(p);
  const auto y = power(x, p);
  EXPECT_EQ(to_doubles(y), (std::vector<double>{0, 1, 2}));
  backward(y, ones({3}));
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{0, 0, 0.25}));
  const auto slopes = to_doubles(gradient(p));
  EXPECT_EQ(slopes[0], 0);
  EXPECT_EQ(slopes[1], 0);
  EXPECT_DOUBLE_EQ(slopes[2], 2 * std::log(4.0));
  const auto base = empty({1}, DType::bf16);
  *base.data<BFloat16>() = BFloat16(65536.0F);
  EXPECT_EQ(power(base, 0.626953125).item(), 1048.0);  // 2 ^ 10.03, and not 2 ^ 10
}

// Its ends belong to the inside, and what is not a number is not made one.
TEST(Clamp, EndsInfinitiesAndNaN) {
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  const auto x = from_values(std::vector<double>{-infinity, -2, -1, 0, 2, 3, infinity}, {7});
  set_requires_grad(x);
  const auto y = clamp(x, 2);
  EXPECT_EQ(to_doubles(y), (std::vector<double>{-2, -2, -1, 0, 2, 2, 2}));
  backward(y, ones({7}));
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{0, 1, 1, 1, 1, 0, 0}));
  const auto nan = from_values(std::vector<double>{std::nan("")}, {1});
  EXPECT_TRUE(std::isnan(clamp(nan, 2).item()));
  EXPECT_THROW(clamp(x, 0), Error);
}

struct Accuracy {
  const char* name;
  Function call;
  std::function<long double(long double)> exact;
  double low, high;
  double units;  // of the last place
};

// Relative to each result, not to the largest: what OpCase cannot see.
void expect_accurate(const Accuracy& test, DType dtype) {
  const std::int64_t count = 20011;
  const auto given = make_f64({count}, [&](std::int64_t i) {
    return test.low +
           (test.high - test.low) * static_cast<double>(i) / static_cast<double>(count - 1);
  });
  const auto x = empty({count}, dtype);
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = given.data<double>()[i];
    if (dtype == DType::f64) x.data<double>()[i] = value;
    if (dtype == DType::f32) x.data<float>()[i] = static_cast<float>(value);
  }
  const auto inputs = to_doubles(x);
  const auto results = to_doubles(test.call(x));
  const double smallest =
      dtype == DType::f64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  double worst = 0;
  double worst_input = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto exact = test.exact(inputs[i]);
    const auto error = std::fabs(static_cast<double>(results[i] - exact));
    const auto units =
        error / (epsilon_of(dtype) * std::max(std::fabs(static_cast<double>(exact)), smallest));
    if (units > worst) {
      worst = units;
      worst_input = inputs[i];
    }
  }
  EXPECT_LE(worst, test.units) << test.name << " " << name_of(dtype) << " at " << worst_input;
}

long double exact_logistic(long double x) { return 1 / (1 + std::exp(-x)); }

// The error of a function of e^x grows with |x|: its argument is rounded.
TEST(Elementwise, IsAccurateEverywhere) {
  const std::vector<Accuracy> tests = {
      {"exp", exp, [](long double x) { return std::exp(x); }, -87, 88, 3},
      {"exp near 0", exp, [](long double x) { return std::exp(x); }, -0.01, 0.01, 2},
      {"log", log, [](long double x) { return std::log(x); }, 1e-30, 1e6, 4},
      {"log near 1", log, [](long double x) { return std::log(x); }, 0.9, 1.1, 4},
      {"sqrt", sqrt, [](long double x) { return std::sqrt(x); }, 0, 1e6, 1},
      {"rsqrt", rsqrt, [](long double x) { return 1 / std::sqrt(x); }, 1e-6, 1e6, 2},
      {"sigmoid", sigmoid, exact_logistic, -80, 80, 4},
      {"tanh", tanh, [](long double x) { return std::tanh(x); }, -25, 25, 4},
      {"tanh near 0", tanh, [](long double x) { return std::tanh(x); }, -0.01, 0.01, 4},
      {"silu", silu, [](long double x) { return x * exact_logistic(x); }, -80, 80, 4},
      {"elu_plus_one", elu_plus_one, [](long double x) { return x < 0 ? std::exp(x) : x + 1; }, -87,
       88, 3},
  };
  for (const auto& test : tests) {
    expect_accurate(test, DType::f64);
    expect_accurate(test, DType::f32);
  }
}

void expect_special(const char* name, const Function& call, const Scalar& scalar, DType dtype) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // Long enough for whole vectors, so that both the vectors and the rest meet every value.
  const std::vector<double> values = {0,    1,     -1,       700,       -700, 1e4, -1e4,
                                      1e30, -1e30, infinity, -infinity, nan,  100, -104};
  const auto count = static_cast<std::int64_t>(values.size()) * 9;
  const auto value_at = [&](std::int64_t i) {
    return values[static_cast<std::size_t>(i) % values.size()];
  };
  const auto x = empty({count}, dtype);
  for (std::int64_t i = 0; i < count; ++i) {
    if (dtype == DType::f64) x.data<double>()[i] = value_at(i);
    if (dtype == DType::f32) x.data<float>()[i] = static_cast<float>(value_at(i));
    if (dtype == DType::bf16) x.data<BFloat16>()[i] = BFloat16(value_at(i));
  }
  const auto inputs = to_doubles(x);
  const auto results = to_doubles(call(x));
  const double largest =
      dtype == DType::f64 ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const double exact = scalar(inputs[i]);
    const auto what = std::string(name) + " of " + std::to_string(inputs[i]);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(results[i])) << what << " is " << results[i];
    } else if (std::fabs(exact) > largest) {
      EXPECT_EQ(results[i], exact > 0 ? infinity : -infinity) << what;
    } else {
      EXPECT_NEAR(results[i], exact, std::fabs(exact) * 8 * epsilon_of(dtype) + 1e-37) << what;
    }
  }
}

// The slope at 0 is that of the right side; far below it is e^x, far above 1.
TEST(EluPlusOne, HasTheSlopeOfItsSide) {
  const auto x = from_values(std::vector<double>{0, -0.0, -1, 3, 1e300, -1e300}, {6});
  set_requires_grad(x);
  backward(elu_plus_one(x), ones({6}));
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{1, 1, std::exp(-1.0), 1, 1, 0}));
}

TEST(Elementwise, KnowsInfinitiesNanAndTheEndsOfTheRange) {
  for (const auto dtype : {DType::f64, DType::f32, DType::bf16}) {
    expect_special(
        "exp", exp, [](double x) { return std::exp(x); }, dtype);
    expect_special(
        "log", log, [](double x) { return std::log(x); }, dtype);
    expect_special(
        "sqrt", sqrt, [](double x) { return std::sqrt(x); }, dtype);
    expect_special("sigmoid", sigmoid, logistic, dtype);
    expect_special("elu_plus_one", elu_plus_one, positive_feature, dtype);
    expect_special(
        "tanh", tanh, [](double x) { return std::tanh(x); }, dtype);
  }
}

}  // namespace
}  // namespace lookback::testing
