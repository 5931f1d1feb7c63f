#include "autograd/ops/linear_joint.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/linear_many.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"

namespace lookback::testing {
namespace {

// Inputs x, weight_0, bias_0, weight_1, bias_1, ..
Tensor joint(const Inputs& in) {
  std::vector<Tensor> weights, biases;
  for (std::size_t i = 1; i < in.size(); i += 2) {
    weights.push_back(in[i]);
    biases.push_back(in[i + 1]);
  }
  return linear_joint(in[0], weights, biases);
}

// x weight^T + bias, the weights on top of each other, and the biases.
Tensor from_formula(const Inputs& in) {
  auto shape = in[0].shape();
  const auto inner = shape[-1];
  shape[-1] = 0;
  for (std::size_t i = 1; i < in.size(); i += 2) shape[-1] += in[i].size(0);
  return make_f64(shape, [&](std::int64_t at) {
    auto column = at % shape[-1];
    std::size_t which = 1;
    for (; column >= in[which].size(0); which += 2) column -= in[which].size(0);
    double y = in[which + 1].data<double>()[column];
    for (std::int64_t k = 0; k < inner; ++k) {
      y += in[0].data<double>()[at / shape[-1] * inner + k] *
           in[which].data<double>()[column * inner + k];
    }
    return y;
  });
}

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }

const OpCase joint_case{
    "linear_joint",
    {.shapes = {{{2, 3, 4}, {5, 4}, {5}, {1, 4}, {1}, {3, 4}, {3}},
                {{4}, {2, 4}, {2}},
                {{0, 3}, {2, 3}, {2}, {3, 3}, {3}},
                {{2, 3}, {0, 3}, {0}, {3, 3}, {3}},
                {{2, 0}, {2, 0}, {2}, {3, 0}, {3}},
                {{33, 31}, {65, 31}, {65}, {1, 31}, {1}, {33, 31}, {33}},
                {{3, 1025}, {2, 1025}, {2}, {33, 1025}, {33}}},
     .call = joint,
     .reference = from_formula,
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[0][-1]); },
     .refused = {{[] {
                    linear_joint(zeros_f64({2, 3}), {});
                  },
                  "[linear_joint] there must be at least one weight"},
                 {[] {
                    linear_joint(zeros_f64({2, 3}), {zeros_f64({4, 3}), zeros_f64({4, 5})});
                  },
                  "[linear_joint] weight 1, float64 (4, 5), must be float64 (N, 3): x is (2, 3)"},
                 {[] {
                    linear_joint(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {{}, {}});
                  },
                  "[linear_joint] 2 biases: there must be none, or one entry to each of the 1"},
                 {[] {
                    linear_joint(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {zeros_f64({3})});
                  },
                  "[linear_joint] bias 0, float64 (3,), must be float64 (4,): weight is (4, 3)"},
                 {[] {
                    linear_joint(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {}, Products::bfloat16);
                  },
                  "[linear_joint] products in bfloat16 are made of float32 tensors"}}}};

// As linear_many() has them: of three weights, the second with a bias.
struct Run {
  std::vector<double> y, dx;
  std::vector<std::vector<double>> others;  // the gradients of weights and bias
};

enum class Memory { one, apart };

std::vector<Tensor> weights_in(Memory memory) {
  const Tensor values[] = {waves({64, 33}, 0.7), waves({7, 33}, 0.9), waves({65, 33}, 1.1)};
  RowsOfOne rows(64 + 7 + 65, 33, DType::f32);
  std::vector<Tensor> weights;
  for (const auto& each : values) {
    weights.push_back(memory == Memory::one ? rows.next(each.size(0))
                                            : empty(each.shape(), DType::f32));
    std::copy_n(each.data<float>(), each.numel(), weights.back().data<float>());
  }
  return weights;
}

Run run(Memory memory, Products products) {
  const auto weights = weights_in(memory);
  const auto x = waves({2, 65, 33}, 0.3), bias = waves({7}, 0.2);
  std::vector<Tensor> leaves = weights;
  leaves.push_back(bias);
  set_requires_grad(x);
  for (const auto& leaf : leaves) set_requires_grad(leaf);
  const auto y = linear_joint(x, weights, {{}, bias, {}}, products);
  backward(y, waves(y.shape(), 1.3));
  Run result{to_doubles(y), to_doubles(gradient(x)), {}};
  for (const auto& leaf : leaves) result.others.push_back(to_doubles(gradient(leaf)));
  return result;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-5) << i;
}

// One product, or one for each weight: a number is the same chain of sums, but for dx.
TEST(LinearJoint, HasTheBitsOfSeparateProductsButForDx) {
  for (const auto products : {Products::native, Products::bfloat16}) {
    const auto one = run(Memory::one, products), apart = run(Memory::apart, products);
    EXPECT_EQ(one.y, apart.y);
    EXPECT_EQ(one.others, apart.others);
    expect_near(one.dx, apart.dx);
  }
}

TEST(LinearJoint, IsOneProductEachWhereWeightsLieTogether) {
  const auto x = waves({4, 33}, 0.3);
  const auto weights = weights_in(Memory::one);
  set_requires_grad(x);
  for (const auto& each : weights) set_requires_grad(each);
  std::vector<std::string> names;
  const kernels::ObserveKernels watch(
      [&](const auto& slot, const auto&, const auto&) { names.emplace_back(slot.name); });
  const auto y = linear_joint(x, weights);
  backward(y, waves(y.shape(), 1));
  EXPECT_EQ(names, std::vector<std::string>(3, "matmul_forward"));
}

// Rows of one matrix in another order, or with a gap between them, are no joint matrix.
TEST(LinearJoint, DoesNotTakeRowsInAnotherOrderForOneMatrix) {
  const auto all = weights_in(Memory::one), apart = weights_in(Memory::apart);
  const auto x = waves({4, 33}, 0.3);
  for (const auto& order : {std::vector<std::size_t>{1, 0, 2}, std::vector<std::size_t>{0, 2},
                            std::vector<std::size_t>{0, 0}}) {
    std::vector<Tensor> ours, theirs;
    for (const auto i : order) {
      ours.push_back(all[i]);
      theirs.push_back(apart[i]);
    }
    EXPECT_EQ(to_doubles(linear_joint(x, ours)), to_doubles(linear_joint(x, theirs)));
  }
}

// Weights of one layer that train on, while others do not.
TEST(LinearJoint, GivesThoseAGradientThatAskForOne) {
  const auto weights = weights_in(Memory::one);
  const auto x = waves({4, 33}, 0.3);
  set_requires_grad(weights[1]);
  const auto y = linear_joint(x, weights);
  backward(y, waves(y.shape(), 1));
  EXPECT_FALSE(gradient(weights[0]).defined());
  const auto all = weights_in(Memory::one);
  for (const auto& each : all) set_requires_grad(each);
  const auto whole = linear_joint(x, all);
  backward(whole, waves(whole.shape(), 1));
  EXPECT_EQ(to_doubles(gradient(weights[1])), to_doubles(gradient(all[1])));
}

}  // namespace
}  // namespace lookback::testing
