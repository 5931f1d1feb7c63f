// Runs of dcmha: which of them keep attention weights, and say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using testing::HasSubstr;

constexpr auto warning =
    "lookback: warning: the attention of 2 of 2 layers keeps its weights for later layers";

class ComposedRun : public testing::Test {
 protected:
  ProgramResult train(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"--preset", "dcmha", "--overwrite", "--max-steps=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return small_.train(arguments);
  }

  SmallRun small_;
};

TEST_F(ComposedRun, WeightsThatAreKeptForLaterLayersAreSaidToBe) {
  const auto kept = train({"--preset", "method1"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_THAT(kept.err, HasSubstr(warning));
  const auto evaluated = run_lookback({"eval", small_.run(), "--json"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.err, HasSubstr(warning));
}

TEST_F(ComposedRun, NothingIsSaidWhereNoneAreKeptOrTheyAreAskedFor) {
  EXPECT_EQ(train({}).err, "");
  EXPECT_EQ(train({"--preset", "stored1"}).err, "");
  EXPECT_EQ(train({"--preset", "method1", "--attention-storage=weights"}).err, "");
}

}  // namespace
}  // namespace lookback::tests
