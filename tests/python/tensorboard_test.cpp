// A run's events files under TensorBoard's own hands. Skipped where Python has none.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/apps/event_reader.h"
#include "tests/apps/small_run.h"
#include "tests/python/python_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;

TEST(PythonTensorBoard, ReadsARunAndHowItWasResumed) {
  if (!have_python("tensorboard")) GTEST_SKIP() << why_no_python("tensorboard");
  const SmallRun small;
  ASSERT_EQ(small
                .train({"--preset=method3.2", "--data=builtin:markov", "--eval-batches=1",
                        "--max-steps=12", "--logging-steps=7", "--eval-steps=3", "--save-steps=6"})
                .code,
            0);
  fs::remove_all(fs::path(small.run()) / "checkpoint-12");
  ASSERT_EQ(run_lookback({"train", "--resume", "--output-dir", small.run(), "--quiet"}).code, 0);
  ASSERT_EQ(event_files(small.run()).size(), 2U);
  const auto read = run_python("read_events.py", {small.run()});
  auto expected = nlohmann::json::object();
  for (const auto& event : joined_events(small.run())) {
    for (const auto& [tag, value] : event.scalars) expected[tag].push_back({event.step, value});
  }
  EXPECT_EQ(expected.size(), 10U);  // 5 of training, 3 of validation, 2 learned numbers
  EXPECT_EQ(read, expected);
}

}  // namespace
}  // namespace lookback::tests
