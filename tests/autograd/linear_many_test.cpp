#include "autograd/ops/linear_many.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/linear.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"

namespace lookback::testing {
namespace {

// Inputs x, weight_0, bias_0, weight_1, bias_1, ..; the results side by side.
Tensor joint(const Inputs& in) {
  std::vector<Tensor> weights, biases;
  for (std::size_t i = 1; i < in.size(); i += 2) {
    weights.push_back(in[i]);
    biases.push_back(in[i + 1]);
  }
  return cat(linear_many(in[0], weights, biases), -1);
}

// Output `which` of the weights in[1], in[2], ..
Tensor single(const Inputs& in, std::size_t which) {
  return linear_many(in[0], {in.begin() + 1, in.end()})[which];
}

// x weight^T + bias, the weights on top of each other.
Tensor from_formula(const Inputs& in, const std::vector<std::size_t>& weights,
                    const std::vector<std::size_t>& biases) {
  auto shape = in[0].shape();
  const auto inner = shape[-1];
  shape[-1] = 0;
  for (const auto i : weights) shape[-1] += in[i].size(0);
  return make_f64(shape, [&](std::int64_t at) {
    auto column = at % shape[-1];
    std::size_t which = 0;
    while (column >= in[weights[which]].size(0)) column -= in[weights[which++]].size(0);
    double y = biases.empty() ? 0 : in[biases[which]].data<double>()[column];
    for (std::int64_t k = 0; k < inner; ++k) {
      y += in[0].data<double>()[at / shape[-1] * inner + k] *
           in[weights[which]].data<double>()[column * inner + k];
    }
    return y;
  });
}

double inner_size(const Shapes& shapes) { return static_cast<double>(shapes[0][-1]); }

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }

const OpCase biased{
    "linear_many",
    {.shapes = {{{2, 3, 4}, {5, 4}, {5}, {1, 4}, {1}, {3, 4}, {3}},
                {{4}, {2, 4}, {2}},
                {{0, 3}, {2, 3}, {2}, {3, 3}, {3}},
                {{2, 3}, {0, 3}, {0}, {3, 3}, {3}},
                {{2, 0}, {2, 0}, {2}, {3, 0}, {3}},
                {{33, 31}, {65, 31}, {65}, {1, 31}, {1}, {33, 31}, {33}}},
     .call = joint,
     .reference =
         [](const Inputs& in) {
           std::vector<std::size_t> weights, biases;
           for (std::size_t i = 1; i < in.size(); i += 2) {
             weights.push_back(i);
             biases.push_back(i + 1);
           }
           return from_formula(in, weights, biases);
         },
     .terms = inner_size,
     .refused = {{[] {
                    linear_many(zeros_f64({2, 3}), {});
                  },
                  "[linear_many] there must be at least one weight"},
                 {[] {
                    linear_many(zeros_f64({2, 3}), {zeros_f64({4, 3}), zeros_f64({4, 5})});
                  },
                  "[linear_many] weight 1, float64 (4, 5), must be float64 (N, 3): x is (2, 3)"},
                 {[] {
                    linear_many(zeros_f64({2, 3}), {zeros({4, 3}, DType::f32)});
                  },
                  "[linear_many] weight 0, float32 (4, 3), must be float64 (N, 3)"},
                 {[] {
                    linear_many(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {{}, {}});
                  },
                  "[linear_many] 2 biases: there must be none, or one entry to each of the 1"},
                 {[] {
                    linear_many(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {zeros_f64({3})});
                  },
                  "[linear_many] bias 0, float64 (3,), must be float64 (4,): weight is (4, 3)"},
                 {[] {
                    linear_many(zeros_f64({2, 3}), {zeros_f64({4, 3})}, {}, Products::bfloat16);
                  },
                  "[linear_many] products in bfloat16 are made of float32 tensors, not float64"}}}};

// One output is used alone: the others pass no gradient.
OpCaseOptions output(std::size_t which) {
  return {.shapes = {{{2, 3, 4}, {5, 4}, {1, 4}, {3, 4}},
                     {{31, 1025}, {33, 1025}, {2, 1025}, {3, 1025}}},
          .call = [=](const Inputs& in) { return single(in, which); },
          .reference = [=](const Inputs& in) { return from_formula(in, {which + 1}, {}); },
          .terms = inner_size};
}
const OpCase first{"linear_many/first", output(0)};
const OpCase last{"linear_many/last", output(2)};

struct Run {
  std::vector<std::vector<double>> outputs, gradients;  // gradients: x, then the rest
};

enum class Way { joint, separate };

Run run(Way way, Products products) {
  const Inputs weights{waves({64, 33}, 0.7), waves({7, 33}, 0.9), waves({64, 33}, 1.1)};
  const Inputs biases{waves({64}, 0.2), {}, waves({64}, 0.4)};
  const auto x = waves({2, 65, 33}, 0.3);
  Inputs leaves{x};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    leaves.push_back(weights[i]);
    if (biases[i].defined()) leaves.push_back(biases[i]);
  }
  for (const auto& leaf : leaves) set_requires_grad(leaf);
  std::vector<Tensor> outputs, gradients;
  if (way == Way::joint) outputs = linear_many(x, weights, biases, products);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (way == Way::separate) outputs.push_back(linear(x, weights[i], biases[i], products));
    gradients.push_back(waves(outputs[i].shape(), 1.3 + 0.1 * static_cast<double>(i)));
  }
  backward(outputs, gradients, AfterBackward::release);
  Run result;
  for (const auto& y : outputs) result.outputs.push_back(to_doubles(y));
  for (const auto& leaf : leaves) result.gradients.push_back(to_doubles(gradient(leaf)));
  return result;
}

TEST(LinearMany, HasTheBitsOfSeparateLinearsButForDx) {
  for (const auto products : {Products::native, Products::bfloat16}) {
    const auto ours = run(Way::joint, products), theirs = run(Way::separate, products);
    EXPECT_EQ(ours.outputs, theirs.outputs);
    ASSERT_EQ(ours.gradients.size(), 6U);
    for (std::size_t i = 1; i < 6; ++i) EXPECT_EQ(ours.gradients[i], theirs.gradients[i]) << i;
    for (std::size_t i = 0; i < ours.gradients[0].size(); ++i)
      ASSERT_NEAR(ours.gradients[0][i], theirs.gradients[0][i], 2e-5) << i;
  }
}

TEST(LinearMany, BackwardAddsNoTensors) {
  const auto x = waves({4, 3}, 0.3), weight = waves({2, 3}, 0.7);
  for (const auto& leaf : {x, weight}) set_requires_grad(leaf);
  const auto y = linear_many(x, {weight, weight.detach(), weight.detach()});
  const auto dy = waves({4, 2}, 1);
  std::vector<std::string> names;
  const kernels::ObserveKernels watch(
      [&](const auto& slot, const auto&, const auto&) { names.emplace_back(slot.name); });
  backward(y, Inputs{dy, dy, dy}, AfterBackward::release);
  EXPECT_EQ(names, (std::vector<std::string>{"matmul_forward", "sum_of_products_forward"}));
}

}  // namespace
}  // namespace lookback::testing
