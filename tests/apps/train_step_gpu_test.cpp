// Steps that a GPU repeats by itself beside steps that are queued kernel by kernel.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "apps/train/train_step.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/copy_of.h"
#include "autograd/ops/to_vector.h"
#include "tests/gpu.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

class StepOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
    on_.emplace(gpu());
  }
  std::optional<DefaultDevice> on_;
};

TokenBatch batch_of(std::int64_t rows, std::int64_t columns, std::int64_t start) {
  const DefaultDevice host(cpu_device);
  const auto tokens = [&](std::int64_t from) {
    const auto ids = some_ids(rows, columns, small_config().vocab_size, from);
    const auto values = ids.elements<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  };
  TokenBatch batch{
      .rows = rows, .columns = columns, .inputs = tokens(start), .targets = tokens(start + 100)};
  // Another number of targets that count each time.
  for (std::int64_t i = 0; i < start % 5; ++i) {
    batch.targets[static_cast<std::size_t>(i)] = ignored_target;
  }
  return batch;
}

struct Trained {
  std::vector<std::vector<unsigned char>> weights;
  std::vector<double> losses, norms;
  std::vector<std::int64_t> correct;
  bool was_captured = false;
  friend bool operator==(const Trained& a, const Trained& b) {
    return a.weights == b.weights && a.losses == b.losses && a.norms == b.norms &&
           a.correct == b.correct;
  }
};

struct Way {
  Repetition repetition = Repetition::captured;
  DType dtype = DType::f32;
  Activations activations = Activations::kept;
  std::size_t micro_batches = 1;
  bool evaluates = false;      // between steps
  bool rewrites = false;       // a weight, before the last step
  std::int64_t last_rows = 2;  // of the last step's batches
};

Trained train(const Way& way, int steps = 5) {
  auto config = small_config();
  config.tie_word_embeddings = true;
  const auto llama = make_llama(config, way.dtype);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {.activations = way.activations}, 0.5, way.repetition);
  std::vector<StepResults> results;
  for (int s = 0; s < steps; ++s) {
    std::vector<TokenBatch> batches;
    for (std::size_t i = 0; i < way.micro_batches; ++i) {
      batches.push_back(
          batch_of(s + 1 == steps ? way.last_rows : 2, 7, 10 * s + static_cast<std::int64_t>(i)));
    }
    if (way.rewrites && s + 1 == steps) {
      const auto& weight = llama->model.layers[0]->mlp.up_proj.weight;
      copy_into(affine(weight.detach(), 0.5, 0), weight);
    }
    results.push_back(step.take(batches, 1e-2 / (s + 1)));
    if (way.evaluates) {
      const auto longer = token_tensors(batch_of(3, 20, s));
      static_cast<void>(llama->loss(longer.ids, longer.targets, {}).loss_sum.item());
    }
  }
  Trained trained;
  trained.was_captured = step.is_captured();
  for (const auto& each : results) {  // none was read before all were queued
    const auto measures = each.read();
    trained.losses.push_back(measures.loss);
    trained.norms.push_back(measures.grad_norm);
    trained.correct.push_back(measures.correct);
  }
  for (const auto& parameter : llama->parameters()) {
    trained.weights.push_back(bits_of(parameter.tensor));
  }
  return trained;
}

void expect_same_bits(Way way) {
  way.repetition = Repetition::captured;
  const auto captured = train(way);
  way.repetition = Repetition::queued;
  const auto queued = train(way);
  EXPECT_TRUE(captured.was_captured);
  EXPECT_FALSE(queued.was_captured);
  EXPECT_TRUE(captured == queued);
  EXPECT_NE(captured.losses[1], captured.losses[2]);  // a launch reads its own batch
  EXPECT_NE(captured.norms[3], captured.norms[4]);
}

TEST_F(StepOnGpu, CapturedStepsHaveTheBitsOfQueuedOnes) {
  for (const auto dtype : {DType::f32, DType::f64, DType::bf16}) expect_same_bits({.dtype = dtype});
}

TEST_F(StepOnGpu, SoHaveSeveralMicroBatches) { expect_same_bits({.micro_batches = 3}); }

TEST_F(StepOnGpu, SoHaveRecomputedActivations) {
  expect_same_bits({.activations = Activations::recomputed});
}

// Whose longer sequences replace tables that the captured step reads.
TEST_F(StepOnGpu, SoHaveStepsWithEvaluationsBetween) { expect_same_bits({.evaluates = true}); }

// Which a captured step reads rounded.
TEST_F(StepOnGpu, SoHaveStepsWithWeightsWrittenBetween) {
  for (const auto dtype : {DType::f32, DType::bf16})
    expect_same_bits({.dtype = dtype, .rewrites = true});
}

TEST_F(StepOnGpu, AnotherShapeIsCapturedAnew) { expect_same_bits({.last_rows = 3}); }

TEST_F(StepOnGpu, ANormThatIsNotFiniteStopsAllLaterUpdates) {
  const auto llama = make_llama(small_config(), DType::f32);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5);
  for (int s = 0; s < 3; ++s) step.take({batch_of(2, 7, s)}, 1e-2);
  ASSERT_TRUE(step.is_captured());
  const auto& norm = llama->model.norm.weight;
  const auto before = bits_of(norm);
  const auto& table = llama->model.embed_tokens.weight;
  const auto good = to_device(table.detach(), cpu_device);
  const auto broken = to_device(table.detach(), cpu_device);
  broken.data<float>()[0] = std::numeric_limits<float>::infinity();
  auto batch = batch_of(2, 7, 3);
  batch.inputs[0] = 0;
  transfer(broken, table);
  const auto spoilt = step.take({batch}, 1e-2);
  transfer(good, table);
  const auto sound = step.take({batch}, 1e-2);
  EXPECT_FALSE(spoilt.read().finite());
  EXPECT_TRUE(sound.read().finite());
  EXPECT_EQ(bits_of(norm), before);
}

TEST_F(StepOnGpu, ATokenOutsideTheVocabularyIsNamedBehindALaunch) {
  const auto llama = make_llama(small_config(), DType::f32);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5);
  for (int s = 0; s < 2; ++s) step.take({batch_of(2, 7, s)}, 1e-2);
  ASSERT_TRUE(step.is_captured());
  auto batch = batch_of(2, 7, 2);
  batch.inputs[9] = 99;
  const auto results = step.take({batch}, 1e-2);
  EXPECT_THROW(static_cast<void>(results.read()), Error);
}

TEST_F(StepOnGpu, WhatNeedsTheHostCannotBeCaptured) {
  const auto x = to_device(from_values<double>({1, 2}, {2}), gpu());
  EXPECT_THROW(static_cast<void>(capture(gpu(), [&] { static_cast<void>(to_vector(x)); })), Error);
  EXPECT_EQ(to_vector(x), (std::vector<double>{1, 2}));
}

TEST_F(StepOnGpu, TheCpuRecordsNothing) {
  EXPECT_EQ(capture(cpu_device, [] { FAIL(); }), nullptr);
}

}  // namespace
}  // namespace lookback::testing
