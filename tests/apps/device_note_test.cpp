// What commands say of the device that they compute on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto no_driver = "there is no NVIDIA driver here";

// Every command that computes, on a run in small.run().
std::vector<std::vector<std::string>> commands_on(const SmallRun& small) {
  const auto run = small.run(), config = small.config();
  const auto out = (small.path() / "out").string();
  return {{"train", "--config", config, "--data", small.text(), "--max-steps=1", "--overwrite",
           "--batch-size=2", "--block-size=16", "--output-dir", out},
          {"eval", run},
          {"generate", run, "--prompt=so", "--max-new-tokens=2"},
          {"inspect", run, "--prompt=so it goes", "--output-dir", out + "-inspect"},
          {"diagnose", run, "--output-dir", out + "-diagnosis"},
          {"verify", (source_directory() / "tests/golden/head-size-6.safetensors").string()},
          {"bench", "train", "--config", config, "--block-size=16", "--batch-size=1", "--steps=1"}};
}

std::int64_t lines_with(const std::string& text, const std::string& beginning) {
  std::istringstream lines(text);
  std::int64_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.starts_with(beginning) ? 1 : 0;
  return count;
}

bool has_gpu() { return run_lookback({"presets", "--device=cuda"}).code == 0; }

ProgramResult with(std::vector<std::string> command, const std::string& flag) {
  command.push_back(flag);
  return run_lookback(command);
}

TEST(DeviceNote, AutoSaysOnceWhichDeviceItTook) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  const auto taken = has_gpu() ? "on cuda:0, " : "on the CPU";
  for (const auto& command : commands_on(small)) {
    for (const auto* flag : {"--device=auto", "--json"}) {
      const auto result = with(command, flag);
      EXPECT_EQ(lines_with(result.err, taken), 1) << command[0] << "\n" << result.err;
      EXPECT_EQ(lines_with(result.err, "on "), 1) << command[0] << "\n" << result.err;
      EXPECT_THAT(result.err, Not(HasSubstr(no_driver))) << command[0];
    }
  }
}

TEST(DeviceNote, OfAGivenDeviceAndWithQuietThereIsNone) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  for (const auto& command : commands_on(small)) {
    for (const auto* flag : {"--device=cpu", "--quiet"}) {
      const auto result = with(command, flag);
      EXPECT_EQ(lines_with(result.err, "on "), 0) << command[0] << "\n" << result.err;
      EXPECT_THAT(result.err, Not(HasSubstr(no_driver))) << command[0];
    }
  }
  EXPECT_EQ(run_lookback({"presets"}).err, "") << "it computes nothing";
}

// Whatever the command: one line, which says why.
TEST(DeviceNote, AGpuThatIsAskedForAndNotThereIsAnError) {
  if (has_gpu()) GTEST_SKIP() << "there is a GPU here";
  const auto asked = run_lookback({"presets", "--device=cuda"});
  expect_error(asked, 2, "--device cuda: [device] cuda:0: ");
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  for (const auto& command : commands_on(small)) {
    const auto result = with(command, "--device=cuda");
    EXPECT_EQ(result.code, 2) << command[0];
    EXPECT_EQ(result.err, asked.err) << command[0];
  }
}

// The note comes when nothing can fail any more, or with a run's first line of progress.
TEST(DeviceNote, AnErrorIsTheOnlyLine) {
  const SmallRun small;
  const auto missing = (small.path() / "missing").string();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"train", "--config=smoke", "--data", missing, "--output-dir", small.run()},
           {"eval", missing},
           {"generate", missing, "--prompt=so"},
           {"inspect", missing, "--prompt=so"},
           {"diagnose", missing},
           {"verify", missing},
           {"bench", "train", "--config", missing}}) {
    const auto result = run_lookback(command);
    EXPECT_NE(result.code, 0) << command[0];
    expect_error(result, result.code, "missing");
  }
}

}  // namespace
}  // namespace lookback::tests
