// Weights that products in bfloat16 round once.
#include "autograd/rounded_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "autograd/ops/linear.h"
#include "autograd/ops/to_vector.h"
#include "nn/llama/generate.h"
#include "tests/kernels/random_tensor.h"
#include "tests/nn/small_llama.h"

namespace lookback::tests {
namespace {

using kernels::random_tensor;

std::vector<double> product(const Tensor& x, const Tensor& weight) {
  return to_vector(linear(x, weight, {}, Products::bfloat16));
}

TEST(RoundedWeights, ChangesNoBits) {
  const auto x = random_tensor<float>({3, 33}, 1), weight = random_tensor<float>({17, 33}, 2);
  const auto before = product(x, weight);
  RoundedWeights rounded;
  const RoundedWeights::Use use(rounded);
  EXPECT_EQ(product(x, weight), before);
  EXPECT_EQ(product(x, weight), before);
}

TEST(RoundedWeights, KeepsOneCopyUntilAnOperationWrites) {
  const auto x = random_tensor<float>({1, 8}, 1), weight = random_tensor<float>({4, 8}, 2);
  RoundedWeights rounded;
  const RoundedWeights::Use use(rounded);
  const auto first = product(x, weight);
  weight.data<float>()[0] += 1;  // which it cannot see
  EXPECT_EQ(product(x, weight), first);
  weight.storage()->bump_version();
  EXPECT_NE(product(x, weight), first);
}

TEST(RoundedWeights, EndWithTheirScope) {
  const auto x = random_tensor<float>({1, 8}, 1), weight = random_tensor<float>({4, 8}, 2);
  RoundedWeights outer_weights;
  std::optional<RoundedWeights::Use> outer(std::in_place, outer_weights);
  const auto first = product(x, weight);
  weight.data<float>()[0] += 1;
  {
    RoundedWeights inner_weights;
    const RoundedWeights::Use inner(inner_weights);
    EXPECT_NE(product(x, weight), first) << "a copy of its own";
  }
  EXPECT_EQ(product(x, weight), first) << "that of the outer one";
  outer.reset();
  EXPECT_NE(product(x, weight), first);
}

TEST(RoundedWeights, AreToldApart) {
  const auto x = random_tensor<float>({2, 8}, 1), weight = random_tensor<float>({6, 8}, 2);
  const auto half = weight.alias({3, 8}, {8, 1}), every_other = weight.alias({3, 8}, {16, 1});
  const auto expected_half = product(x, half), expected_other = product(x, every_other);
  const auto expected = product(x, weight);
  RoundedWeights rounded;
  const RoundedWeights::Use use(rounded);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(product(x, half), expected_half);
    EXPECT_EQ(product(x, every_other), expected_other);
    EXPECT_EQ(product(x, weight), expected);
  }
}

// Memory that is freed is another weight's soon.
TEST(RoundedWeights, AreNotTakenForWeightsThatAreGone) {
  const auto x = random_tensor<float>({1, 8}, 1);
  std::vector<std::vector<double>> expected;
  for (unsigned seed = 0; seed < 8; ++seed)
    expected.push_back(product(x, random_tensor<float>({4, 8}, seed)));
  RoundedWeights rounded;
  const RoundedWeights::Use use(rounded);
  for (unsigned seed = 0; seed < 8; ++seed)
    EXPECT_EQ(product(x, random_tensor<float>({4, 8}, seed)), expected[seed]) << seed;
}

TEST(RoundedWeights, AreThoseOfGeneration) {
  auto config = testing::small_config();
  config.hidden_size = 32;
  config.head_dim = 8;
  const auto llama = testing::make_llama(config, DType::bf16);
  const GenerationOptions options{.max_new_tokens = 12, .sampling = {.temperature = 0}};
  auto context = std::vector<std::int64_t>{1, 5, 3};
  const auto generated = generate(*llama, context, options).tokens;
  for (const auto token : generated) {
    const auto length = static_cast<std::int64_t>(context.size());
    const auto logits = to_vector(llama->last_logits(from_values(context, {1, length}), {}));
    EXPECT_EQ(token, std::ranges::max_element(logits) - logits.begin());
    context.push_back(token);
  }
}

}  // namespace
}  // namespace lookback::tests
