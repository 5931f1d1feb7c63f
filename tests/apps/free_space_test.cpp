// What a run says of its disk before it writes on it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Where the file system is said to have so many free bytes, call by call (system_calls.cpp).
ProgramResult train_with(const SmallRun& small, const std::string& free_bytes,
                         const std::vector<std::string>& more = {}) {
  return small.train(more, {.in_child = [&small, free_bytes] {
                       const auto library = program().parent_path() / "system_calls.so";
                       setenv("LD_PRELOAD", library.c_str(), 1);
                       setenv("LOOKBACK_CALLS_BELOW", small.path().c_str(), 1);
                       setenv("LOOKBACK_CALLS_FREE", free_bytes.c_str(), 1);
                     }});
}

TEST(FreeSpace, ForNotEvenOneCheckpointIsRefusedBeforeTheFirstStep) {
  const SmallRun small;
  const auto result = train_with(small, "1000");
  expect_error(result, 1, "the model and one checkpoint need ");
  EXPECT_THAT(result.err, HasSubstr("0.001 MB are free there"));
  EXPECT_FALSE(fs::exists(small.run()));
}

TEST(FreeSpace, ForNotAllCheckpointsIsAWarningWithBothNumbers) {
  const SmallRun small;
  const std::vector<std::string> flags = {"--save-steps=2", "--overwrite"};
  const auto narrow = train_with(small, "1000000", flags);
  EXPECT_EQ(narrow.code, 0) << narrow.err;
  EXPECT_THAT(narrow.err, HasSubstr("the model and 3 checkpoints need "));
  EXPECT_THAT(narrow.err, HasSubstr("1 MB are free there"));
  const auto wide = train_with(small, "1000000000", flags);
  EXPECT_EQ(wide.code, 0);
  EXPECT_EQ(wide.err, "");
}

TEST(FreeSpace, ThatIsGoneLaterEndsTheRunBeforeACheckpointIsBegun) {
  const SmallRun small;
  const auto result = train_with(small, "1000000000,1000000000,5000", {"--save-steps=2"});
  expect_error(result, 1, "checkpoint-4 is not begun: it needs ");
  EXPECT_THAT(result.err, HasSubstr("0.005 MB are free there"));
  EXPECT_THAT(result.err, HasSubstr("goes on from checkpoint-2"));
  ASSERT_EQ(run_lookback({"train", "--resume", "--output-dir", small.run(), "--quiet"}).code, 0);
  EXPECT_EQ(SmallRun::metrics(small.run()).back().at("step"), 6);
}

}  // namespace
}  // namespace lookback::tests
