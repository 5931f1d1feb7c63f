// A GPU that has room for a step, and none for a recording of it.
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

using device::emulated::NoMemoryForRecordings;
using device::emulated::RecordingStage;
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
  bool was_recorded = false;
  std::string why_not_recorded;
};

Trained train(Repetition repetition, std::optional<RecordingStage> without_memory = {}) {
  const DefaultDevice on(gpu());
  const auto llama = make_llama(small_config(), DType::f32);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5, repetition);
  std::optional<NoMemoryForRecordings> short_of_memory;
  if (without_memory) short_of_memory.emplace(*without_memory);
  Trained trained;
  for (int s = 0; s < 4; ++s) {
    trained.losses.push_back(step.take({batch_of(10 * s)}, 1e-2 / (s + 1)).read().loss);
  }
  for (const auto& parameter : llama->parameters()) {
    trained.weights.push_back(bits_of(parameter.tensor));
  }
  trained.steps_taken = adamw.steps_taken();
  trained.was_recorded = step.is_recorded();
  trained.why_not_recorded = step.why_not_recorded();
  return trained;
}

TEST(EmulatedRecordingMemory, WhereItDoesNotSufficeStepsAreQueuedWithTheSameBits) {
  const auto queued = train(Repetition::queued);
  EXPECT_EQ(queued.why_not_recorded, "");
  const auto live = memory_stats(gpu()).live_bytes;
  for (const auto stage :
       {RecordingStage::allocation, RecordingStage::completion, RecordingStage::replay}) {
    SCOPED_TRACE(static_cast<int>(stage));
    const auto without = train(Repetition::recorded, stage);
    EXPECT_FALSE(without.was_recorded);
    EXPECT_THAT(without.why_not_recorded, HasSubstr("[memory] out of memory: cuda"));
    EXPECT_EQ(without.losses, queued.losses);
    EXPECT_EQ(without.weights, queued.weights);
    EXPECT_EQ(without.steps_taken, 4);
    EXPECT_EQ(memory_stats(gpu()).live_bytes, live);  // nothing of the recording is left
  }
  const auto recorded = train(Repetition::recorded);
  EXPECT_TRUE(recorded.was_recorded);
  EXPECT_EQ(recorded.why_not_recorded, "");
}

TEST(EmulatedRecordingMemory, BenchTrainTellsWhetherItsStepsWereRecorded) {
  const DefaultDevice on(gpu());
  const Session session{.device = gpu(), .console = {.notes = Console::Notes::shown}};
  const auto llama = make_llama(small_config(), DType::f32);
  BenchOptions options{.batch_size = 1, .block_size = 4, .steps = 1};
  const auto recorded = [&] { return measure_steps(*llama, options, session).recorded; };
  EXPECT_TRUE(recorded());
  {
    const NoMemoryForRecordings short_of_memory(RecordingStage::completion);
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(recorded());
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("no room for a recording: [memory] out of memory: cudaGraphInstantiate"));
  }
  options.no_cuda_graphs = true;
  EXPECT_FALSE(recorded());
}

}  // namespace
}  // namespace lookback::testing
