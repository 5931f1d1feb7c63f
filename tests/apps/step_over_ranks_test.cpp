// Steps of training over several ranks, as threads, against those of one process: to the bit. On a
// GPU gradients and weights go through the memory of the host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/train/train_step.h"
#include "tests/gpu.h"
#include "tests/nn/small_llama.h"
#include "tests/runtime/ranks_as_threads.h"

namespace lookback::testing {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;

constexpr int micro_batches = 8;

TokenBatch batch_of(int step, int micro_batch) {
  const DefaultDevice host(cpu_device);
  const auto tokens = [&](std::int64_t from) {
    const auto ids = some_ids(2, 7, small_config().vocab_size, from);
    const auto values = ids.elements<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  };
  const std::int64_t start = 31 * step + 3 * micro_batch;
  TokenBatch batch{.rows = 2,
                   .columns = 7,
                   .inputs = tokens(start),
                   .targets = tokens(start + 100),
                   .micro_batch = micro_batch};
  // Another number of targets that count each time.
  for (std::int64_t i = 0; i < start % 5; ++i)
    batch.targets[static_cast<std::size_t>(i)] = ignored_target;
  return batch;
}

struct Trained {
  std::vector<std::vector<unsigned char>> weights;
  std::vector<double> losses, norms;
  std::vector<std::int64_t> correct, tokens, targets;
  friend bool operator==(const Trained&, const Trained&) = default;
};

struct Way {
  DType dtype = DType::f32;
  Activations activations = Activations::kept;
  int lanes = 8;
  std::int64_t vocabulary = small_config().vocab_size;
};

// `ranks`: null: one process.
Trained trained(const Way& way, Communicator* ranks) {
  auto config = small_config();
  config.vocab_size = way.vocabulary;
  const auto llama = make_llama(config, way.dtype);
  std::optional<GradientExchange> exchange;
  StepLanes lanes{.lanes = way.lanes, .micro_batches = micro_batches};
  if (ranks != nullptr) {
    exchange.emplace(*ranks, llama->parameters());
    lanes.rank = ranks->rank();
    lanes.ranks = ranks->size();
    lanes.exchange = &*exchange;
  }
  auto adamw =
      exchange ? AdamW(llama->parameters(), {}, exchange->own()) : AdamW(llama->parameters(), {});
  TrainStep step(*llama, adamw, {.activations = way.activations}, 0.5, Repetition::queued, lanes);
  Trained result;
  for (int s = 0; s < 3; ++s) {
    std::vector<TokenBatch> batches;
    for (int i = 0; i < micro_batches; ++i) batches.push_back(batch_of(s, i));
    const auto measures = step.take(batches, 1e-2).read();
    result.losses.push_back(measures.loss);
    result.norms.push_back(measures.grad_norm);
    result.correct.push_back(measures.correct);
    result.tokens.push_back(measures.tokens);
    result.targets.push_back(measures.targets);
  }
  for (const auto& parameter : llama->parameters())
    result.weights.push_back(bits_of(parameter.tensor));
  return result;
}

class StepOverRanks : public tests::CommunicatorTest {
 protected:
  void expect_same_bits(const Way& way, int ranks, Device device) {
    options.piece_bytes = std::size_t{1} << 20;
    transports.clear();
    const auto alone = [&] {
      const DefaultDevice on(device);
      return trained(way, nullptr);
    }();
    const auto errors = run(ranks, [&](Communicator& communicator) {
      const DefaultDevice on(device);
      EXPECT_TRUE(trained(way, &communicator) == alone) << communicator.rank();
    });
    EXPECT_THAT(errors, Each(IsEmpty()));
  }
};

TEST_F(StepOverRanks, HasTheBitsOfOneProcess) {
  for (const int ranks : {2, 4, 8}) expect_same_bits({}, ranks, cpu_device);
  expect_same_bits({.lanes = 4}, 2, cpu_device);
  expect_same_bits({.dtype = DType::bf16}, 4, cpu_device);
  expect_same_bits({.dtype = DType::f64}, 2, cpu_device);
  expect_same_bits({.activations = Activations::recomputed}, 2, cpu_device);
}

// Of so many rows of the vocabulary each rank moves some; and of their copy in bfloat16.
TEST_F(StepOverRanks, HasThemWhereAWeightHasSeveralOwners) {
  expect_same_bits({.dtype = DType::bf16, .vocabulary = 8200}, 8, cpu_device);
}

TEST_F(StepOverRanks, LanesDecideBits) {
  EXPECT_FALSE(trained({.lanes = 8}, nullptr) == trained({.lanes = 1}, nullptr));
}

class StepOverRanksOnGpu : public StepOverRanks {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(StepOverRanksOnGpu, HasTheBitsOfOneProcess) {
  expect_same_bits({}, 2, gpu());
  expect_same_bits({.dtype = DType::bf16, .lanes = 4}, 2, gpu());
}

}  // namespace
}  // namespace lookback::testing
