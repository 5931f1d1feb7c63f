// `train --resume` beside a GPU: from one device to the other, and after the GPU was lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "apps/cli/program.h"
#include "kernels/cuda/emulated/queue.h"
#include "tests/apps/run_files.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EmulatedResume : public testing::Test {
 protected:
  // The exit code; stdout and stderr in `said`.
  int run(std::vector<std::string> arguments) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int code = run_program("test", arguments);
    said_ = testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
    return code;
  }
  int train(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          small_.config(),
                                          "--data",
                                          small_.text(),
                                          "--max-steps=4",
                                          "--batch-size=2",
                                          "--block-size=12",
                                          "--save-steps=2",
                                          "--logging-steps=1",
                                          "--eval-steps=4",
                                          "--preset=llama",
                                          "--eval-batches=1",
                                          "--quiet",
                                          "--threads=1",
                                          "--output-dir",
                                          folder(name)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  int resume(const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "--resume", "--quiet", "--output-dir", folder(name)});
    return run(more);
  }
  fs::path folder(const std::string& name) const { return small_.path() / name; }
  // As if it had been killed after its third step.
  void cut(const std::string& whole, const std::string& name) const {
    fs::copy(folder(whole), folder(name), fs::copy_options::recursive);
    fs::remove_all(folder(name) / "checkpoint-4");
  }
  std::vector<double> losses(const std::string& name) const {
    std::vector<double> result;
    for (const auto& line : SmallRun::metrics(folder(name))) {
      if (line.contains("loss")) result.push_back(line.at("loss"));
    }
    return result;
  }

  SmallRun small_;
  std::string said_;
};

TEST_F(EmulatedResume, TheSameBitsOnAGpu) {
  for (const std::string dtype : {"float32", "bfloat16"}) {
    ASSERT_EQ(train("whole", {"--device=cuda", "--dtype", dtype, "--preset=method1"}), 0) << said_;
    cut("whole", "cut");
    ASSERT_EQ(resume("cut"), 0) << said_;  // the device is the run's
    EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "") << dtype;
    fs::remove_all(folder("whole"));
    fs::remove_all(folder("cut"));
  }
}

TEST_F(EmulatedResume, GoesOnOnAnotherDevice) {
  for (const auto& [from, to] : {std::pair{"cpu", "cuda:0"}, std::pair{"cuda:0", "cpu"}}) {
    ASSERT_EQ(train("whole", {"--device", from}), 0) << said_;
    cut("whole", "cut");
    ASSERT_EQ(resume("cut", {"--device", to}), 0) << said_;
    EXPECT_THAT(said_, HasSubstr(std::string("the run was on ") + from + ", and goes on on " + to));
    EXPECT_THAT(read_text(folder("cut") / "options.toml"),
                HasSubstr(std::string("checkpoint-2: device ") + from + " -> " + to));
    const auto ours = losses("cut"), expected = losses("whole");
    ASSERT_EQ(ours.size(), 4U);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(ours[i], expected[i], 1e-4 * expected[i]);
    EXPECT_NE(ours[3], ours[2]);
    fs::remove_all(folder("whole"));
    fs::remove_all(folder("cut"));
  }
}

TEST_F(EmulatedResume, Tf32StaysBehindOnAGpu) {
  ASSERT_EQ(train("whole", {"--device=cuda", "--tf32"}), 0) << said_;
  cut("whole", "cut");
  ASSERT_EQ(resume("cut", {"--device=cpu"}), 0) << said_;
  EXPECT_THAT(read_text(folder("cut") / "options.toml"), HasSubstr("tf32 true -> false"));
}

// Lost at any moment: one line that says how to go on, where there is a checkpoint; what was saved
// is as it was, and the run ends as if nothing had happened.
TEST_F(EmulatedResume, AGpuThatIsLostLeavesTheCheckpoints) {
  ASSERT_EQ(train("whole", {"--device=cuda"}), 0) << said_;
  const auto whole = run_files(folder("whole"));
  std::int64_t works = 100;
  bool saved = false;
  for (int code = 1; code != 0; works = works * 5 / 4) {
    fs::remove_all(folder("cut"));
    {
      const device::emulated::LoseDeviceAfter lost(works);
      code = train("cut", {"--device=cuda"});
    }
    if (code == 0) break;
    ASSERT_EQ(code, 1) << said_;
    EXPECT_EQ(said_.find("lookback: error: "), 0U) << said_;
    EXPECT_EQ(std::ranges::count(said_, '\n'), 1) << said_;
    EXPECT_THAT(said_, HasSubstr("unspecified launch failure"));
    const bool has_checkpoint = fs::exists(folder("cut") / "checkpoint-2");
    EXPECT_EQ(said_.find("train --resume") != std::string::npos, has_checkpoint) << said_;
    if (!has_checkpoint) continue;
    saved = true;
    EXPECT_THAT(said_, HasSubstr("goes on from checkpoint-"));
    ASSERT_EQ(resume("cut"), 0) << said_;
    EXPECT_EQ(differing_files(run_files(folder("cut")), whole), "") << works;
  }
  EXPECT_TRUE(saved) << "the GPU was never lost behind a checkpoint";
}

}  // namespace
}  // namespace lookback::tests
