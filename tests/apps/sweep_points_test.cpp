// The runs that a sweep's file makes, and what is wrong with one.
#include "apps/sweep/sweep_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/cli/exit_code.h"
#include "apps/cli/toml.h"
#include "apps/sweep/train_flags.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SweepPoints : public testing::Test {
 protected:
  std::vector<SweepPoint> points(const std::string& text) const {
    write_text(file_, text);
    const TrainFlags flags(std::vector<std::string>{"--config", "smoke", "--data",
                                                    "builtin:stories", "--batch-size", "2",
                                                    "--output-dir", "out", "--threads", "2"});
    return read_sweep_points(file_, flags.flags);
  }
  std::string refusal(const std::string& text) const {
    try {
      points(text);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryDirectory folder_;
  const std::string file_ = folder_.path() / "sweep.toml";
};

TEST_F(SweepPoints, AreAllCombinationsNamedByWhatDiffers) {
  const auto all = points(
      "# a comment, with [brackets] = and \"quotes\"\n"
      "preset = [\"llama\", \"method1 method3.2\"]  # two\n"
      "learning-rate = [\n  1e-3,  # the default\n  0.0003\n]\n"
      "max_steps = 40\n");
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[0].name, "preset=llama,learning-rate=0.001");
  EXPECT_EQ(all[1].name, "preset=llama,learning-rate=0.0003");
  EXPECT_EQ(all[2].name, "preset=method1+method3.2,learning-rate=0.001");
  EXPECT_EQ(all[3].name, "preset=method1+method3.2,learning-rate=0.0003");
  EXPECT_THAT(all[3].arguments, ElementsAre("--config=smoke", "--data=builtin:stories",
                                            "--batch-size=2", "--preset=method1 method3.2",
                                            "--learning-rate=0.0003", "--max-steps=40"));
}

TEST_F(SweepPoints, OneThatVariesNothingIsNamedByAllOfIt) {
  const auto all = points("seed = [3]\ngradient_checkpointing = true\n");
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].name, "seed=3,gradient-checkpointing=true");
}

TEST_F(SweepPoints, WhatIsWrongIsNamed) {
  EXPECT_EQ(refusal("learning_rat = [1]\n"),
            file_ + ": unknown key learning_rat: the nearest is learning-rate");
  EXPECT_THAT(refusal("learning_rate = []\n"), HasSubstr("learning_rate is an empty list"));
  EXPECT_THAT(refusal("learning_rate = [\"fast\"]\n"), HasSubstr("--learning-rate fast: must be"));
  EXPECT_THAT(refusal("learning_rate = [1e-3, 0.001]\n"), HasSubstr("lists 0.001 twice"));
  EXPECT_THAT(refusal("seed = [1]\nseed = [2]\n"), HasSubstr("seed stands twice"));
  EXPECT_THAT(refusal("batch_size = [1, 2]\n"),
              HasSubstr("--batch-size is given on the command line and in"));
  EXPECT_THAT(refusal("output_dir = [\"a\"]\n"), HasSubstr("the sweep's own --output-dir"));
  EXPECT_THAT(refusal("threads = [1, 2]\n"), HasSubstr("are shared out between the runs"));
  EXPECT_THAT(refusal("resume = true\n"), HasSubstr("unknown key resume"));
  EXPECT_THAT(refusal(""), HasSubstr("lists no flag"));
  EXPECT_THAT(refusal("seed = [1, 2\n"), HasSubstr("line 1: a list that does not end"));
  EXPECT_THAT(refusal("[grid]\nseed = [1, 2]\n"), HasSubstr("options stand in no table"));
  EXPECT_THAT(refusal("preset = [\"llama\", \"method9\"]\n"), HasSubstr("preset=method9: "));
}

TEST_F(SweepPoints, TwoOfOneNameAndTooManyAreRefused) {
  EXPECT_THAT(refusal("validation_data = [\"a/text.txt\", \"b/text.txt\"]\n"),
              HasSubstr("two runs would lie in validation-data=text.txt: "));
  std::string tens = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
  EXPECT_THAT(refusal("seed = " + tens + "weight_decay = " + tens + "learning_rate = " + tens +
                      "warmup_steps = " + tens),
              HasSubstr("its lists make 10000 runs, at most 1000 are one sweep"));
  EXPECT_THAT(refusal("text_field = [\"a\", \"" + std::string(300, 'x') + "\"]\n"),
              HasSubstr("a folder of 311 bytes is more than 200"));
}

// An options file still takes one value for each key.
TEST_F(SweepPoints, ListsStandInSweepsAlone) {
  write_text(file_, "seed = [1, 2]\n");
  EXPECT_THROW(read_toml(file_), UsageError);
  const auto lists = read_toml_lists(file_);
  ASSERT_THAT(lists, SizeIs(1));
  EXPECT_THAT(lists[0].values, ElementsAre("1", "2"));
  write_text(file_, "data = \"a b, c\"\nseed = [ ]\n");
  EXPECT_THAT(read_toml_lists(file_)[0].values, ElementsAre("a b, c"));
  EXPECT_THAT(read_toml_lists(file_)[1].values, IsEmpty());
}

}  // namespace
}  // namespace lookback::tests
