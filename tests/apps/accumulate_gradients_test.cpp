#include "apps/train/accumulate_gradients.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "apps/data/built_in_source.h"
#include "apps/train/evaluate.h"
#include "autograd/gradient.h"
#include "nn/adamw.h"
#include "tests/nn/small_llama.h"
#include "tests/nn/variants.h"

namespace lookback {
namespace {

LlamaConfig byte_config() {
  auto config = testing::small_config();
  config.vocab_size = 256;
  config.tie_word_embeddings = true;
  return config;
}

TokenBatch rows_of(const TokenBatch& batch, std::int64_t begin, std::int64_t end) {
  const auto part = [&](const std::vector<std::int64_t>& all) {
    return std::vector<std::int64_t>(all.begin() + begin * batch.columns,
                                     all.begin() + end * batch.columns);
  };
  return {.rows = end - begin,
          .columns = batch.columns,
          .inputs = part(batch.inputs),
          .targets = part(batch.targets)};
}

// One batch of four rows, and the same in pieces of one and three with very different numbers of
// valid targets: one loss, one gradient. A mixture's auxiliary loss is a mean over sequences,
// whatever their targets.
class AccumulateGradients : public ::testing::TestWithParam<std::string> {};
TEST_P(AccumulateGradients, PiecesOfABatchMakeOneGradient) {
  const auto config = testing::preset_variant(byte_config(), GetParam()).config;
  const Llama llama(config, precision_of(DType::f64));
  initialize(llama.parameters(), 0.2, 1);
  auto batch = make_built_in_source("uniform", 3, BuiltInPart::fresh)->training_batch(0, 0, 4, 8);
  for (std::size_t i = 2; i < 8; ++i) batch.targets[i] = ignored_target;

  const auto whole = accumulate_gradients(llama, {batch});
  std::vector<Tensor> expected;
  for (const auto& parameter : llama.parameters()) {
    expected.push_back(gradient(parameter.tensor));
  }
  clear_gradients(llama.parameters());
  const auto pieces = accumulate_gradients(llama, {rows_of(batch, 0, 1), rows_of(batch, 1, 4)});
  EXPECT_EQ(pieces.targets, 26);
  EXPECT_EQ(pieces.tokens, 32);
  EXPECT_EQ(pieces.correct, whole.correct);
  EXPECT_EQ(pieces.loss_scale, 1.0 / 26);
  EXPECT_NEAR(pieces.loss, whole.loss, 1e-12);
  EXPECT_EQ(pieces.auxiliary_loss.has_value(), GetParam() != "llama");
  EXPECT_NEAR(pieces.auxiliary_loss.value_or(0), whole.auxiliary_loss.value_or(0), 1e-14);
  EXPECT_NEAR(pieces.grad_norm, whole.grad_norm, 1e-12 * whole.grad_norm);
  std::size_t i = 0;
  for (const auto& parameter : llama.parameters()) {
    const auto ours = gradient(parameter.tensor).elements<double>();
    const auto theirs = expected[i++].elements<double>();
    for (std::size_t k = 0; k < ours.size(); ++k)
      ASSERT_NEAR(ours[k], theirs[k], 1e-10) << parameter.name;
  }
}

TEST_P(AccumulateGradients, WithoutTargetsTheLossIsZero) {
  const Llama llama(testing::preset_variant(byte_config(), GetParam()).config,
                    precision_of(DType::f32));
  initialize(llama.parameters(), 0.2, 1);
  auto batch = make_built_in_source("uniform", 3, BuiltInPart::fresh)->training_batch(0, 0, 1, 4);
  for (auto& target : batch.targets) target = ignored_target;
  const auto measures = accumulate_gradients(llama, {batch});
  EXPECT_EQ(measures.loss, 0);
  EXPECT_EQ(measures.grad_norm, 0);
  EXPECT_EQ(measures.targets, 0);
}

INSTANTIATE_TEST_SUITE_P(Presets, AccumulateGradients, ::testing::Values("llama", "moh", "moa"));

// All logits of a model whose embedding is zero are equal: its loss is ln V for every token.
TEST(Evaluation, OfAModelThatKnowsNothing) {
  const Llama llama(byte_config(), precision_of(DType::f64));
  initialize(llama.parameters(), 0.0, 1);
  const auto uniform = make_built_in_source("uniform", 0, BuiltInPart::fresh);
  const auto result = evaluate(llama, *uniform, {.batch_size = 3, .block_size = 8, .batches = 2});
  EXPECT_EQ(result.tokens, 48);
  EXPECT_NEAR(result.loss, std::log(256), 1e-12);
  EXPECT_NEAR(*result.floor, std::log(256), 1e-12);
  EXPECT_LT(*result.floor_error, 1e-7);

  // Against a source with unequal probabilities: the error of the mean difference, by its
  // definition.
  const auto markov = make_built_in_source("markov", 0, BuiltInPart::fresh);
  const auto other = evaluate(llama, *markov, {.batch_size = 3, .block_size = 8, .batches = 2});
  std::vector<double> nats;
  for (std::int64_t row = 0; row < 6; row += 3) {
    for (const double each : markov->nats(markov->evaluation_batch(row, 3, 8)))
      nats.push_back(each);
  }
  double mean = 0, variance = 0;
  for (const double each : nats) mean += each / 48;
  for (const double each : nats) variance += (each - mean) * (each - mean) / 48;
  EXPECT_NEAR(*other.floor, mean, 1e-12);
  EXPECT_NEAR(*other.floor_error, std::sqrt(variance / 48), 1e-12);
}

// Processor seconds of a model from its making to its first update.
double seconds_of_first_step(std::int64_t layers) {
  auto config = byte_config();
  config.num_hidden_layers = layers;
  const auto batch =
      make_built_in_source("uniform", 3, BuiltInPart::fresh)->training_batch(0, 0, 1, 4);
  const auto start = std::clock();
  const Llama llama(config, precision_of(DType::f32));
  initialize(llama.parameters(), 0.02, 1);
  AdamW optimizer(llama.parameters(), {});
  const auto measures = accumulate_gradients(llama, {batch});
  optimizer.step(1e-3, measures.loss_scale);
  EXPECT_TRUE(llama.effective_values().empty());
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// A small file may ask for 65,536 layers: that takes as long as they are many, not longer.
TEST(AccumulateGradients, TimeGrowsWithTheNumberOfLayers) {
  const testing::OneThread one;  // threads that wait for one another take processor time as well
  double ratio = 100;            // the best of some: other processes take their share of the caches
  for (int attempt = 0; attempt < 4 && ratio > 6; ++attempt) {
    ratio = std::min(ratio, seconds_of_first_step(6'000) / seconds_of_first_step(1'500));
  }
  EXPECT_LT(ratio, 6) << "4: proportional, 16: quadratic";
}

}  // namespace
}  // namespace lookback
