// A GPU that has room for a step, and none for a capture of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "apps/bench/train_step.h"
#include "apps/train/train_step.h"
#include "kernels/cuda/emulated/queue.h"
#include "runtime/allocator.h"
#include "tests/gpu.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

using device::emulated::CaptureStage;
using device::emulated::NoMemoryForCaptures;
using ::testing::HasSubstr;

TokenBatch batch_of(std::int64_t start) {
  const DefaultDevice host(cpu_device);
  const auto tokens = [&](std::int64_t from) {
    const auto ids = some_ids(2, 7, small_config().vocab_size, from);
    const auto values = ids.elements<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  };
  return {.rows = 2, .columns = 7, .inputs = tokens(start), .targets = tokens(start + 100)};
}

struct Trained {
  std::vector<std::vector<unsigned char>> weights;
  std::vector<double> losses;
  std::int64_t steps_taken = 0;
  bool was_captured = false;
  std::string why_not_captured;
};

Trained train(Repetition repetition, std::optional<CaptureStage> without_memory = {}) {
  const DefaultDevice on(gpu());
  const auto llama = make_llama(small_config(), DType::f32);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5, repetition);
  std::optional<NoMemoryForCaptures> short_of_memory;
  if (without_memory) short_of_memory.emplace(*without_memory);
  Trained trained;
  for (int s = 0; s < 4; ++s) {
    trained.losses.push_back(step.take({batch_of(10 * s)}, 1e-2 / (s + 1)).read().loss);
  }
  for (const auto& parameter : llama->parameters()) {
    trained.weights.push_back(bits_of(parameter.tensor));
  }
  trained.steps_taken = adamw.steps_taken();
  trained.was_captured = step.is_captured();
  trained.why_not_captured = step.why_not_captured();
  return trained;
}

TEST(EmulatedCaptureMemory, WhereItDoesNotSufficeStepsAreQueuedWithTheSameBits) {
  const auto queued = train(Repetition::queued);
  EXPECT_EQ(queued.why_not_captured, "");
  const auto live = memory_stats(gpu()).live_bytes;
  for (const auto stage :
       {CaptureStage::allocation, CaptureStage::completion, CaptureStage::launch}) {
    SCOPED_TRACE(static_cast<int>(stage));
    const auto without = train(Repetition::captured, stage);
    EXPECT_FALSE(without.was_captured);
    EXPECT_THAT(without.why_not_captured, HasSubstr("[memory] out of memory: cuda"));
    EXPECT_EQ(without.losses, queued.losses);
    EXPECT_EQ(without.weights, queued.weights);
    EXPECT_EQ(without.steps_taken, 4);
    EXPECT_EQ(memory_stats(gpu()).live_bytes, live);  // nothing of the capture is left
  }
  const auto captured = train(Repetition::captured);
  EXPECT_TRUE(captured.was_captured);
  EXPECT_EQ(captured.why_not_captured, "");
}

TEST(EmulatedCaptureMemory, BenchTrainTellsWhetherItsStepsWereCaptured) {
  const DefaultDevice on(gpu());
  const Session session{.device = gpu(), .console = {.notes = Console::Notes::shown}};
  const auto llama = make_llama(small_config(), DType::f32);
  BenchOptions options{.batch_size = 1, .block_size = 4, .steps = 1};
  const auto captured = [&] { return measure_steps(*llama, options, session).captured; };
  EXPECT_TRUE(captured());
  {
    const NoMemoryForCaptures short_of_memory(CaptureStage::completion);
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(captured());
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("no room for a capture: [memory] out of memory: cudaGraphInstantiate"));
  }
  options.no_cuda_graphs = true;
  EXPECT_FALSE(captured());
}

}  // namespace
}  // namespace lookback::testing
