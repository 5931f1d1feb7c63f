// What the two scripts of README.md ask CMake for, beside a CMake and an nvidia-smi that only
// answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto left_out = "Building for the CPU alone: no NVIDIA driver answers here";

class Scripts : public ::testing::Test {
 protected:
  void SetUp() override {
    // CMake notes what it is asked for and fails, so that nothing is built.
    write_program("cmake", "echo \"$@\" >>\"$ASKED\"; exit 1");
    write_program("dpkg-query", "echo installed");
    write_program("chromium", "exit 0");
  }

  void write_program(const std::string& name, const std::string& body) {
    const auto path = folder_.path() / name;
    write_text(path, "#!/bin/sh\n" + body + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  // Of the script: what it asked of CMake, and what it said.
  struct Said {
    std::string asked, err;
  };
  Said run(const std::string& script) const {
    const auto asked = folder_.path() / "asked", err = folder_.path() / "err";
    const auto command = "PATH='" + folder_.path().string() + "':\"$PATH\" ASKED='" +
                         asked.string() + "' bash '" + (source_directory() / script).string() +
                         "' --build-dir '" + build() + "' 2>'" + err.string() + "' >/dev/null";
    EXPECT_NE(std::system(command.c_str()), 0);
    Said said{read_text(asked), read_text(err)};
    std::filesystem::remove(asked);
    return said;
  }

  std::string build() const { return folder_.path() / "build"; }

 private:
  const TemporaryDirectory folder_;
};

constexpr auto one_gpu = "echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'";

TEST_F(Scripts, QuickstartCompilesForTheGpuOfTheMachine) {
  write_program("nvidia-smi", one_gpu);
  const auto [asked, err] = run("apps/quickstart.sh");
  EXPECT_THAT(asked, HasSubstr("-DLOOKBACK_CUDA=ON"));
  EXPECT_THAT(asked, Not(HasSubstr("-DLOOKBACK_CUDA=OFF")));
  EXPECT_EQ(err, "");
}

TEST_F(Scripts, QuickstartLeavesTheGpuOutWhereNoDriverAnswers) {
  for (const auto* answer : {
           "echo 'NVIDIA-SMI has failed because it could not talk to the driver'; exit 9",
           "echo 'No devices found.'; exit 6",
           "echo 'No devices were found'",
           "exit 127",
       }) {
    write_program("nvidia-smi", answer);
    const auto [asked, err] = run("apps/quickstart.sh");
    EXPECT_THAT(asked, HasSubstr("-DLOOKBACK_CUDA=OFF")) << answer;
    EXPECT_THAT(err, testing::StartsWith(left_out)) << answer;
  }
}

// One folder for both scripts: what tests/run.sh compiled for a GPU is not dropped.
TEST_F(Scripts, QuickstartKeepsWhatTheFolderHasForAGpu) {
  write_program("nvidia-smi", "exit 9");
  std::filesystem::create_directory(build());
  for (const std::string cached : {"ON", "OFF"}) {
    write_text(std::filesystem::path(build()) / "CMakeCache.txt",
               "//Build for GPUs too\nLOOKBACK_CUDA:BOOL=" + cached + "\n");
    const auto [asked, err] = run("apps/quickstart.sh");
    EXPECT_THAT(asked, testing::ContainsRegex("-DLOOKBACK_CUDA=" + cached + "\n")) << cached;
    EXPECT_EQ(err.starts_with(left_out), cached == "OFF") << err;
  }
}

TEST_F(Scripts, TheTestRunCompilesForAGpuAnywhere) {
  for (const auto* answer : {"exit 9", one_gpu}) {
    write_program("nvidia-smi", answer);
    const auto [asked, err] = run("tests/run.sh");
    EXPECT_THAT(asked, HasSubstr("-DLOOKBACK_CUDA=ON")) << answer;
    EXPECT_THAT(asked, Not(HasSubstr("-DLOOKBACK_CUDA=OFF"))) << answer;
    EXPECT_THAT(err, Not(HasSubstr(left_out))) << answer;
  }
}

}  // namespace
}  // namespace lookback::tests
