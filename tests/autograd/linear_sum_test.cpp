#include "autograd/ops/linear_sum.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/linear.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

// Inputs x_0, weight_0, x_1, weight_1, .. and, where their number is odd, a bias.
std::vector<LinearTerm> terms_of(const Inputs& in) {
  std::vector<LinearTerm> terms;
  for (std::size_t i = 0; i + 1 < in.size(); i += 2) terms.push_back({in[i], in[i + 1]});
  return terms;
}

Tensor bias_of(const Inputs& in) { return in.size() % 2 == 1 ? in.back() : Tensor{}; }

Tensor from_formula(const Inputs& in, double alpha) {
  const auto outputs = in[1].size(0);
  auto shape = in[0].shape();
  shape[-1] = outputs;
  return make_f64(shape, [&](std::int64_t at) {
    double y = 0;
    for (const auto& [x, weight] : terms_of(in)) {
      const auto inner = weight.size(1);
      for (std::int64_t k = 0; k < inner; ++k) {
        y += x.data<double>()[at / outputs * inner + k] *
             weight.data<double>()[at % outputs * inner + k];
      }
    }
    return alpha * y + (bias_of(in).defined() ? bias_of(in).data<double>()[at % outputs] : 0);
  });
}

double inner_sizes(const Shapes& shapes) {
  double sum = 0;
  for (std::size_t i = 1; i < shapes.size(); i += 2) sum += static_cast<double>(shapes[i][1]);
  return sum;
}

OpCaseOptions with(double alpha, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return linear_sum(terms_of(in), bias_of(in), alpha); },
          .reference = [=](const Inputs& in) { return from_formula(in, alpha); },
          .terms = inner_sizes};
}

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }

OpCaseOptions three_terms() {
  auto options = with(1, {{{2, 3, 4}, {5, 4}, {2, 3, 1}, {5, 1}, {2, 3, 6}, {5, 6}},
                          {{3}, {1, 3}, {2}, {1, 2}, {1}, {1, 1}},
                          {{0, 3}, {2, 3}, {0, 4}, {2, 4}},
                          {{2, 3}, {0, 3}, {2, 4}, {0, 4}},
                          {{3, 0}, {2, 0}, {3, 2}, {2, 2}, {3, 0}, {2, 0}},
                          {{33, 31}, {65, 31}, {33, 33}, {65, 33}, {33, 1025}, {65, 1025}},
                          {{140, 300}, {600, 300}, {140, 530}, {600, 530}}});
  options.refused = {
      {[] { linear_sum({}); }, "[linear_sum] there must be at least one term"},
      {[] {
         linear_sum({{zeros_f64({2, 3}), zeros_f64({4, 5})}});
       },
       "[linear_sum] weight (4, 5) of term 0 must be (4, 3): x is (2, 3)"},
      {[] {
         linear_sum(
             {{zeros_f64({2, 3}), zeros_f64({4, 3})}, {zeros_f64({2, 3}), zeros_f64({5, 3})}});
       },
       "[linear_sum] weight (5, 3) of term 1 must be (4, 3): x is (2, 3)"},
      {[] {
         linear_sum(
             {{zeros_f64({2, 3}), zeros_f64({4, 3})}, {zeros_f64({3, 3}), zeros_f64({4, 3})}});
       },
       "[linear_sum] x (3, 3) of term 1 must have the shape of term 0's, (2, 3), but for"},
      {[] {
         linear_sum({{zeros_f64({2, 3}), zeros_f64({4, 3})},
                     {zeros({2, 3}, DType::f32), zeros_f64({4, 3})}});
       },
       "[linear_sum] x float32 and weight float64 of term 1 must have term 0's dtype, float64"},
      {[] {
         linear_sum({{zeros_f64({2, 3}), zeros_f64({4, 3})}}, zeros_f64({3}));
       },
       "[linear_sum] bias float64 (3,) must be float64 (4,): the weights are (4, 3)"},
      {[] {
         linear_sum({{zeros_f64({2, 3}), zeros_f64({4, 3})}}, {}, 1, Products::bfloat16);
       },
       "[linear_sum] products in bfloat16 are made of float32 tensors, not float64"}};
  return options;
}

const OpCase three{"linear_sum", three_terms()};
const OpCase one{"linear_sum/one_term",
                 with(1, {{{2, 3, 4}, {5, 4}}, {{0, 3}, {2, 3}}, {{31, 33}, {65, 33}}})};
const OpCase scaled{"linear_sum/scaled_with_bias",
                    with(-0.375, {{{2, 3, 4}, {5, 4}, {2, 3, 2}, {5, 2}, {5}},
                                  {{0, 3}, {2, 3}, {2}},
                                  {{2, 0}, {3, 0}, {3}},
                                  {{33, 31}, {65, 31}, {33, 33}, {65, 33}, {65}},
                                  {{140, 130}, {600, 130}, {600}}})};
// One x twice: its gradients add up.
const OpCase twice{"linear_sum/twice",
                   {.shapes = {{{2, 3}, {4, 3}}, {{31, 33}, {65, 33}}},
                    .call =
                        [](const Inputs& in) {
                          return linear_sum({{in[0], in[1]}, {in[0], in[1]}});
                        },
                    .reference =
                        [](const Inputs& in) {
                          return from_formula({in[0], in[1], in[0], in[1]}, 1);
                        },
                    .terms = inner_sizes}};

template <class T>
Tensor waves(const Shape& shape, double frequency) {
  std::vector<T> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        static_cast<T>(static_cast<float>(std::sin(frequency * static_cast<double>(i + 1))));
  return from_values(values, shape);
}

TEST(LinearSum, OfOneTermHasTheBitsOfLinear) {
  const auto x = waves<float>({130, 33}, 0.3), weight = waves<float>({65, 33}, 0.7),
             bias = waves<float>({65}, 1.1), dy = waves<float>({130, 65}, 1.3);
  std::vector<std::vector<double>> bits;
  for (const bool sum : {false, true}) {
    const Inputs leaves{x.detach(), weight.detach(), bias.detach()};
    for (const auto& leaf : leaves) set_requires_grad(leaf);
    const auto y = sum ? linear_sum({{leaves[0], leaves[1]}}, leaves[2])
                       : linear(leaves[0], leaves[1], leaves[2]);
    backward(y, dy);
    bits.push_back(to_doubles(y));
    for (const auto& leaf : leaves) bits.push_back(to_doubles(gradient(leaf)));
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(bits[i], bits[4 + i]) << i;
}

// 256 + 1 is 256 in bfloat16.
TEST(LinearSum, OfBfloat16IsRoundedOnce) {
  const auto number = [](float value) {
    return from_values(std::vector<BFloat16>{BFloat16(value)}, {1, 1});
  };
  const auto unit = number(1);
  EXPECT_EQ(to_doubles(linear_sum({{number(256), unit}, {unit, unit}, {unit, unit}})),
            std::vector<double>{258});
  const auto bias = unit.alias({1}, {1});
  EXPECT_EQ(to_doubles(linear_sum({{number(256), unit}, {unit, unit}}, bias)),
            std::vector<double>{258});
}

TEST(LinearSum, IsOneKernelThatReadsTheTermsWhereTheyLie) {
  const auto joined = waves<float>({2, 3, 12}, 0.3);
  const auto part = joined.alias({2, 3, 4}, {36, 12, 1}, 4);
  const auto weight = waves<float>({5, 4}, 0.7);
  std::vector<std::string> names;
  std::vector<const void*> read;
  const kernels::ObserveKernels watch([&](const auto& slot, const auto& inputs, const auto&) {
    names.emplace_back(slot.name);
    for (const auto& x : inputs) read.push_back(x.data);
  });
  linear_sum({{part, weight}, {joined, waves<float>({5, 12}, 0.9)}});
  EXPECT_EQ(names, std::vector<std::string>{"sum_of_products_forward"});
  ASSERT_EQ(read.size(), 4U);
  EXPECT_EQ(read[0], part.raw_data());
  EXPECT_EQ(read[1], joined.raw_data());
  EXPECT_EQ(read[2], weight.raw_data());
}

TEST(LinearSum, Bfloat16ProductsRoundTheOperandsAndNothingElse) {
  const auto rounded = [](const Tensor& x) {
    std::vector<float> values;
    for (const auto value : to_doubles(x))
      values.push_back(static_cast<float>(BFloat16(static_cast<float>(value))));
    return from_values(values, x.shape());
  };
  const auto run = [](const Inputs& given, const Tensor& dy, Products products) {
    Inputs leaves;
    for (const auto& x : given) leaves.push_back(x.detach());
    for (const auto& leaf : leaves) set_requires_grad(leaf);
    const auto y = linear_sum(terms_of(leaves), {}, 0.5, products);
    backward(y, dy);
    std::vector<Tensor> results{y};
    for (const auto& leaf : leaves) results.push_back(gradient(leaf));
    return results;
  };
  const Inputs exact{waves<float>({7, 40}, 0.37), waves<float>({9, 40}, 0.71),
                     waves<float>({7, 20}, 0.57), waves<float>({9, 20}, 0.91)};
  const auto dy = waves<float>({7, 9}, 1.3);
  Inputs operands;
  for (const auto& x : exact) operands.push_back(rounded(x));
  const auto ours = run(exact, dy, Products::bfloat16);
  const auto expected = run(operands, rounded(dy), Products::native);
  const auto unrounded = run(exact, dy, Products::native);
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

}  // namespace
}  // namespace lookback::testing
