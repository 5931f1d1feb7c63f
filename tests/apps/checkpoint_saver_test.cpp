// Checkpoints are written beside the training: what stands in them is what the model was when they
// were begun, and what goes wrong with one is told by the next call.
#include "apps/train/checkpoint_saver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <cerrno>

#include "tests/apps/small_run.h"
#include "tests/nn/small_llama.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t limit = 2;

class CheckpointSaving : public ::testing::Test {
 protected:
  CheckpointContents contents(std::int64_t step) const {
    return contents_of(*llama_, adamw_.states(), adamw_.steps_taken(), {.step = step});
  }
  void next_step() {
    for (const auto& parameter : llama_->parameters())
      for (auto& weight : parameter.tensor.elements<double>()) weight += 1;
    for (const auto& state : adamw_.states())
      for (auto& moment : state.second_moment.elements<double>()) moment += 1;
  }
  // The first elements of a weight and a moment, as they are in memory and in a checkpoint.
  std::vector<double> in_memory() const {
    return {llama_->parameters().front().tensor.elements<double>()[0],
            adamw_.states().front().second_moment.elements<double>()[0]};
  }
  std::vector<double> in_checkpoint(std::int64_t step) const {
    const auto path = folder_.path() / fmt::format("checkpoint-{}", step);
    const auto name = llama_->parameters().front().name;
    const auto of = [&](const char* file, const std::string& tensor) {
      return SafetensorsFile::open(path / file).load(tensor).elements<double>()[0];
    };
    return {of("model.safetensors", name), of("optimizer.safetensors", "second_moment." + name)};
  }

  TemporaryDirectory folder_;
  WorkFolder work_{folder_.path()};
  std::unique_ptr<Llama> llama_ = testing::make_llama(testing::small_config());
  AdamW adamw_{llama_->parameters(), {}};
};

TEST_F(CheckpointSaving, KeepsWhatTheModelWasWhenItWasBegun) {
  CheckpointSaver saver(work_, limit);
  for (std::int64_t step = 1; step <= 20; ++step) {
    const auto before = in_memory();
    saver.save(contents(step));
    next_step();
    saver.wait();
    ASSERT_EQ(in_checkpoint(step), before) << step;
  }
  EXPECT_FALSE(fs::exists(folder_.path() / "checkpoint-18"));
  EXPECT_TRUE(fs::exists(folder_.path() / "checkpoint-19"));
}

TEST_F(CheckpointSaving, WaitsForTheOneBefore) {
  CheckpointSaver saver(work_, 100);
  for (std::int64_t step = 1; step <= 5; ++step) saver.save(contents(step));
  for (std::int64_t step = 1; step <= 4; ++step)
    EXPECT_TRUE(fs::exists(folder_.path() / fmt::format("checkpoint-{}", step))) << step;
}

TEST_F(CheckpointSaving, IsDoneWhenItsSaverIsGone) {
  { CheckpointSaver(work_, limit).save(contents(3)); }
  EXPECT_EQ(in_checkpoint(3), in_memory());
}

TEST_F(CheckpointSaving, WithoutRoomForACopyIsDoneWhenItReturns) {
  CheckpointSaver saver(work_, limit, [] { return std::int64_t{1000}; });
  saver.save(contents(1));
  EXPECT_EQ(in_checkpoint(1), in_memory());
}

TEST_F(CheckpointSaving, ThatFailsIsToldOnce) {
  CheckpointSaver saver(work_, limit);
  fs::remove_all(work_.path());
  saver.save(contents(1));
  EXPECT_THROW(saver.wait(), Error);
  saver.wait();
  saver.save(contents(2));
  EXPECT_THROW(saver.save(contents(3)), Error);
  saver.save(contents(4));
  const auto look_until_told = [&] {
    for (;;) saver.look();
  };
  EXPECT_THROW(look_until_told(), Error);
}

// A signal that the thread took would interrupt its system calls, and not the training's.
TEST_F(CheckpointSaving, LeavesTheSignalsOfItsCallerAsTheyWere) {
  sigset_t term, after;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
  CheckpointSaver saver(work_, limit);
  saver.save(contents(1));
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGTERM), 0);
}

// Where the disk is full when checkpoint-N is put in its place: after the last step no later one
// would tell of it.
ProgramResult train_without(const SmallRun& small, int step) {
  return small.train({"--save-steps=2"}, {.in_child = [&small, step] {
                       const auto library = program().parent_path() / "system_calls.so";
                       const auto failing = fmt::format("rename:1:{}:checkpoint-{}", ENOSPC, step);
                       setenv("LD_PRELOAD", library.c_str(), 1);
                       setenv("LOOKBACK_CALLS_BELOW", small.path().c_str(), 1);
                       setenv("LOOKBACK_CALLS_FAIL", failing.c_str(), 1);
                     }});
}

TEST(CheckpointRun, EndsWithTheErrorOfItsLastCheckpoint) {
  const SmallRun small;
  const auto result = train_without(small, 6);
  expect_error(result, 1, "No space left on device");
  EXPECT_THAT(result.err, ::testing::HasSubstr("goes on from checkpoint-4"));
  ASSERT_EQ(run_lookback({"train", "--resume", "--output-dir", small.run(), "--quiet"}).code, 0);
  EXPECT_TRUE(fs::exists(fs::path(small.run()) / "checkpoint-6"));
}

TEST(CheckpointRun, EndsBehindACheckpointThatFails) {
  const SmallRun small;
  expect_error(train_without(small, 2), 1, "No space left on device");
  EXPECT_FALSE(fs::exists(fs::path(small.run()) / "checkpoint-2"));
}

}  // namespace
}  // namespace lookback::tests
