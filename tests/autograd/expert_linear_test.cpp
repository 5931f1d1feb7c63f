#include "autograd/ops/expert_linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/slice.h"
#include "kernels/taint/cells.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

// Input 2: experts below `count`, some of which no row may choose.
auto experts_below(std::int64_t count) {
  return [=](std::size_t which, const Shape& shape, std::mt19937_64& random) {
    if (which != 2) return Tensor{};
    std::uniform_int_distribution<std::int64_t> uniform(0, count - 1);
    const auto index = empty(shape, DType::i64);
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      index.data<std::int64_t>()[i] = uniform(random);
    }
    return index;
  };
}

Tensor from_formula(const Inputs& in) {
  const auto inputs = in[1].size(2), outputs = in[1].size(1), slots = in[2].size(-1);
  auto shape = in[2].shape();
  shape.push_back(outputs);
  return make_f64(shape, [&](std::int64_t at) {
    const auto output = at % outputs, choice = at / outputs;
    const auto expert = in[2].data<std::int64_t>()[choice];
    const auto* x = in[0].data<double>() + choice / slots * inputs;
    const auto* weight = in[1].data<double>() + (expert * outputs + output) * inputs;
    double y = 0;
    for (std::int64_t i = 0; i < inputs; ++i) y += x[i] * weight[i];
    return y;
  });
}

Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  return from_values(values, shape);
}
Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }

OpCaseOptions with(std::int64_t experts, std::vector<Shapes> shapes) {
  return {
      .shapes = std::move(shapes),
      .call = [](const Inputs& in) { return expert_linear(in[0], in[1], in[2]); },
      .reference = from_formula,
      .input = experts_below(experts),
      .terms = [](const Shapes& all) { return static_cast<double>(all[1][2]); },
      .refused =
          {{[] {
              expert_linear(zeros_f64({2, 3}), zeros_f64({4, 3}), integers({0, 1}, {2, 1}));
            },
            "[expert_linear] weight (4, 3) must be (E, O, 3): x is (2, 3)"},
           {[] {
              expert_linear(zeros_f64({2, 3}), zeros_f64({4, 5, 2}), integers({0, 1}, {2, 1}));
            },
            "[expert_linear] weight (4, 5, 2) must be (E, O, 3): x is (2, 3)"},
           {[] {
              expert_linear(zeros_f64({2, 3}), zeros_f64({4, 5, 3}), integers({0, 1, 2}, {3, 1}));
            },
            "[expert_linear] experts (3, 1) must have the shape of x, (2, 3), but for the last"},
           {[] {
              expert_linear(zeros_f64({2, 3}), zeros_f64({4, 5, 3}), zeros_f64({2, 1}));
            },
            "[expert_linear] experts must be int64, not float64"},
           {[] {
              expert_linear(zeros_f64({2, 3}), zeros({4, 5, 3}, DType::f32),
                            integers({0, 1}, {2, 1}));
            },
            "[expert_linear] x float64 and weight float32 must have one floating dtype"},
           {[] {
              expert_linear(zeros_f64({2, 3}), zeros_f64({4, 5, 3}), integers({0, 4}, {2, 1}));
            },
            "[expert_linear] expert 4 at (1, 0) of (2, 1) must be in [0, 4)"}}};
}

const OpCase one_each{"expert_linear", with(3, {{{2, 3, 4}, {3, 5, 4}, {2, 3, 1}},
                                                {{4}, {3, 1, 4}, {1}},
                                                {{0, 3}, {3, 2, 3}, {0, 1}},
                                                {{2, 3}, {3, 0, 3}, {2, 1}},
                                                {{3, 0}, {3, 2, 0}, {3, 1}},
                                                {{31, 33}, {3, 65, 33}, {31, 1}},
                                                {{33, 1025}, {3, 31, 1025}, {33, 1}}})};
const OpCase several{"expert_linear/several", with(7, {{{2, 3, 4}, {7, 5, 4}, {2, 3, 2}},
                                                       {{3, 2}, {7, 3, 2}, {3, 0}},
                                                       {{5}, {7, 2, 5}, {3}},
                                                       {{0, 3}, {7, 2, 3}, {0, 4}},
                                                       {{33, 31}, {7, 33, 31}, {33, 3}},
                                                       {{2, 600, 17}, {7, 40, 17}, {2, 600, 2}}})};

Tensor waves(const Shape& shape, double frequency) {
  const auto x = empty(shape, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(std::sin(frequency * static_cast<double>(i + 1)));
  }
  return x;
}

TEST(ExpertLinear, HasTheBitsOfAPlainProductForEveryRow) {
  const auto x = waves({300, 33}, 0.3), weight = waves({4, 70, 33}, 0.7);
  const auto experts = empty({300, 2}, DType::i64);
  for (std::int64_t i = 0; i < 600; ++i) experts.data<std::int64_t>()[i] = i * i % 7 % 4;
  const auto ours = to_doubles(expert_linear(x, weight, experts));
  std::vector<std::vector<double>> plain;
  for (std::int64_t e = 0; e < 4; ++e) {
    plain.push_back(to_doubles(linear(x, weight.alias({70, 33}, {33, 1}, e * 70 * 33))));
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto choice = i / 70;
    const auto expert = static_cast<std::size_t>(experts.data<std::int64_t>()[choice]);
    ASSERT_EQ(ours[i], plain[expert][choice / 2 * 70 + i % 70]) << i;
  }
}

// NaN and infinity in rows and experts that a choice does not name stay where they are.
TEST(ExpertLinear, ReadsNothingThatWasNotChosen) {
  const auto x = waves({2, 3}, 0.3), weight = waves({3, 2, 3}, 0.7);
  const auto experts = integers({2, 2}, {2, 1});
  const auto before = to_doubles(expert_linear(x, weight, experts));
  weight.data<float>()[0] = std::nanf("");
  weight.data<float>()[7] = INFINITY;
  EXPECT_EQ(to_doubles(expert_linear(x, weight, experts)), before);
  x.data<float>()[4] = std::nanf("");
  const auto after = to_doubles(expert_linear(x, weight, experts));
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[1], before[1]);
  EXPECT_TRUE(std::isnan(after[2]));
}

TEST(ExpertLinear, AnExpertThatNoRowChoseHasNoGradient) {
  const auto x = waves({5, 3}, 0.3), weight = waves({3, 2, 3}, 0.7);
  set_requires_grad(weight);
  backward(expert_linear(x, weight, integers({0, 2, 0, 2, 2}, {5, 1})), waves({5, 1, 2}, 1.1));
  const auto gradients = to_doubles(gradient(weight));
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_EQ(gradients[i] == 0, i / 6 == 1) << i;
  }
}

TEST(ExpertLinear, Bfloat16ProductsRoundTheOperandsAndNothingElse) {
  const auto rounded = [](const Tensor& x) {
    return converted(converted(x, DType::bf16), DType::f32);
  };
  const auto experts = integers({0, 2, 1, 1, 2, 0}, {3, 2});
  const auto run = [&](const Tensor& x, const Tensor& weight, const Tensor& dy, Products products) {
    const Inputs leaves{x.detach(), weight.detach()};
    for (const auto& leaf : leaves) set_requires_grad(leaf);
    const auto y = expert_linear(leaves[0], leaves[1], experts, products);
    backward(y, dy);
    return std::vector<Tensor>{y, gradient(leaves[0]), gradient(leaves[1])};
  };
  const auto x = waves({3, 40}, 0.37), weight = waves({3, 9, 40}, 0.71), dy = waves({3, 2, 9}, 1.3);
  const auto ours = run(x, weight, dy, Products::bfloat16);
  const auto expected = run(rounded(x), rounded(weight), rounded(dy), Products::native);
  const auto unrounded = run(x, weight, dy, Products::native);
  for (std::size_t t = 0; t < ours.size(); ++t) {
    const auto a = to_doubles(ours[t]), b = to_doubles(expected[t]), c = to_doubles(unrounded[t]);
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], 2e-5) << t << " " << i;
      difference = std::max(difference, std::fabs(a[i] - c[i]));
    }
    EXPECT_GT(difference, 1e-3) << t;
  }
}

// A row of the result depends on its row of x and on its own choices, which may be unknown too.
TEST(ExpertLinear, OnTheTaintDeviceARowStaysByItself) {
  using kernels::taint::Cells;
  const NoGrad no_grad;
  const DefaultDevice guard(taint_device);
  const auto x = empty({3, 2}, DType::f64), weight = empty({4, 5, 2}, DType::f64);
  const auto experts = empty({3, 2}, DType::i64);
  for (std::int64_t row = 0; row < 3; ++row) {
    Cells(kernels::Out(x)).depend(row * 2, std::uint64_t{1} << row);
    Cells(kernels::Out(experts)).depend(row * 2 + 1, std::uint64_t{8} << row);
  }
  const auto y = expert_linear(x, weight, experts);
  const Cells cells(y.view());
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    EXPECT_EQ(cells.set(i), std::uint64_t{9} << i / 10) << i;
  }
}

}  // namespace
}  // namespace lookback::testing
