// Runs of several processes: the files of one, byte by byte, at any number of ranks that the lanes
// allow; and ends that name who is to blame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/host_name.h"
#include "tests/apps/run_files.h"
#include "tests/apps/small_run.h"
#include "tests/runtime/mpi_run.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Words = std::vector<std::string>;

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

class RunOnMpi : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = launcher.missing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  std::string folder(const std::string& name) const { return (small.path() / name).string(); }

  Words command(const std::string& output, const Words& more) const {
    return Words{program().string(),
                 "train",
                 "--config",
                 small.config(),
                 "--data",
                 small.text(),
                 "--output-dir",
                 output,
                 "--max-steps",
                 "6",
                 "--batch-size",
                 "2",
                 "--block-size",
                 "16",
                 "--gradient-accumulation-steps",
                 "8",
                 "--gradient-lanes",
                 "8",
                 "--save-steps",
                 "2",
                 "--logging-steps",
                 "2",
                 "--eval-steps",
                 "3",
                 "--eval-batches",
                 "3"} +
           more;
  }

  MpiRun train(int ranks, const std::string& output, const Words& more = {},
               const MpiLauncher::Meanwhile& meanwhile = {}) const {
    return launcher.run({{ranks, command(output, more)}}, small.path().string(), meanwhile);
  }

  MpiRun resume(int ranks, const std::string& output, const Words& more = {}) const {
    const auto words =
        Words{program().string(), "train", "--resume", "--output-dir", output} + more;
    return launcher.run({{ranks, words}}, small.path().string());
  }

  // A report's page draws the times too; its numbers stand beside it.
  static RunFiles files(const std::string& run) {
    auto all = run_files(run);
    std::erase_if(all, [](const auto& file) { return file.first.ends_with("report.html"); });
    return all;
  }

  void expect_same_files(const Words& more, const std::vector<int>& numbers) const {
    const auto one = folder("one");
    const auto alone = train(1, one, more);
    ASSERT_EQ(alone.code, 0) << alone.text;
    const auto expected = files(one);
    ASSERT_GT(expected.size(), 8U);
    for (const int ranks : numbers) {
      const auto several = folder(std::to_string(ranks));
      const auto run = train(ranks, several, more);
      EXPECT_EQ(run.code, 0) << run.text;
      EXPECT_THAT(run.left, IsEmpty());
      EXPECT_EQ(differing_files(files(several), expected), "") << ranks << " ranks";
    }
  }

  // One line says it, and all ends.
  static void expect_error(const MpiRun& run, int code, const std::string& text) {
    EXPECT_EQ(run.code, code) << run.text;
    EXPECT_THAT(run.text, HasSubstr("lookback: error: " + text));
    EXPECT_THAT(run.left, IsEmpty());
    const auto first = run.text.find("lookback: error:");
    EXPECT_EQ(run.text.find("lookback: error:", first + 1), std::string::npos) << run.text;
  }

  const SmallRun small;
  const MpiLauncher launcher{"openmpi"};
};

TEST_F(RunOnMpi, HasTheFilesOfOneProcess) {
  expect_same_files({"--inspect-every", "4"}, {2, 4, 8});
}

TEST_F(RunOnMpi, HasThemInThreeRanksOfTwoLanes) {
  expect_same_files({"--gradient-accumulation-steps", "6", "--gradient-lanes", "6"}, {3, 6});
}

class VariantOnMpi : public RunOnMpi, public ::testing::WithParamInterface<Words> {};

TEST_P(VariantOnMpi, HasTheFilesOfOneProcess) { expect_same_files(GetParam(), {4}); }

// Rows of several documents each.
TEST_F(RunOnMpi, KeepsDocumentsApartAsOneProcessDoes) {
  const auto documents = small.path() / "documents";
  std::filesystem::create_directory(documents);
  for (int i = 0; i < 60; ++i) {
    write_text(documents / (std::to_string(i) + ".txt"),
               "number " + std::to_string(i * i) + (i % 3 == 0 ? " and more of it" : ""));
  }
  expect_same_files({"--data", documents.string(), "--no-cross-document-attention"}, {2, 8});
}

INSTANTIATE_TEST_SUITE_P(
    Of, VariantOnMpi,
    ::testing::Values(Words{"--preset", "method1"}, Words{"--preset", "method5.5"},
                      Words{"--preset", "moh", "--load-best-model-at-end", "--save-steps", "3"},
                      Words{"--dtype", "bfloat16"},
                      Words{"--gradient-checkpointing", "--preset", "method1"},
                      Words{"--on-spike", "back"},
                      Words{"--data", "builtin:stories", "--data-order", "drawn"}),
    [](const auto& variant) {
      std::string name;
      for (const char c : variant.param[0] + variant.param[1])
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
      return name;
    });

TEST_F(RunOnMpi, GoesOnWithAnotherNumberOfRanks) {
  const auto whole = folder("whole"), changed = folder("changed");
  ASSERT_EQ(train(1, whole).code, 0);
  ASSERT_EQ(train(4, changed, {"--max-steps", "2", "--warmup-steps", "1"}).code, 0);
  // Shorter runs have other learning rates: the same at each stage.
  const auto stages = folder("stages");
  ASSERT_EQ(train(1, stages, {"--max-steps", "2", "--warmup-steps", "1"}).code, 0);
  for (const auto& [ranks, steps] :
       std::vector<std::pair<int, const char*>>{{2, "4"}, {1, "5"}, {8, "6"}}) {
    const auto several = resume(ranks, changed, {"--max-steps", steps});
    ASSERT_EQ(several.code, 0) << several.text;
    const auto one = resume(1, stages, {"--max-steps", steps});
    ASSERT_EQ(one.code, 0) << one.text;
    EXPECT_EQ(differing_files(run_files(changed), run_files(stages)), "") << ranks;
  }
}

// Killed as a whole, as a batch system does, at some moment after the first checkpoint.
TEST_F(RunOnMpi, KilledAtAnyMomentItGoesOnToTheSameFiles) {
  const auto whole = folder("whole");
  const Words longer{"--max-steps", "40", "--save-steps", "5"};
  ASSERT_EQ(train(1, whole, longer).code, 0);
  const auto expected = run_files(whole);
  int killed = 0;
  for (int round = 0; round < 4; ++round) {
    const auto output = folder("killed" + std::to_string(round));
    int looks = 0;
    const auto run = train(4, output, longer, [&](int) {
      if (!std::filesystem::exists(output + "/checkpoint-5/trainer_state.json")) return;
      if (++looks < 1 + 7 * round) return;
      if (const auto process = process_of_rank(small.path().string(), round))
        kill(*process, SIGKILL);
    });
    EXPECT_THAT(run.left, IsEmpty());
    killed += run.code != 0 ? 1 : 0;
    const auto rest = resume(std::vector{2, 1, 4, 8}[static_cast<std::size_t>(round)], output);
    ASSERT_EQ(rest.code, 0) << rest.text;
    EXPECT_EQ(differing_files(run_files(output), expected), "") << round;
  }
  EXPECT_GE(killed, 2) << "the runs were over before they could be killed";
}

TEST_F(RunOnMpi, ARankThatHangsIsNamed) {
  bool stopped = false;
  const auto output = folder("hung");
  const auto run =
      train(4, output, {"--max-steps", "100000", "--collective-timeout", "3"}, [&](int) {
        if (stopped || !std::filesystem::exists(output + "/checkpoint-2/trainer_state.json"))
          return;
        if (const auto process = process_of_rank(small.path().string(), 2))
          stopped = kill(*process, SIGSTOP) == 0;
      });
  ASSERT_TRUE(stopped) << run.text;
  expect_error(run, 1, "rank 2 on " + host_name() + " has not answered for 3 s (step ");
  EXPECT_THAT(run.text, HasSubstr("goes on from checkpoint-"));
  EXPECT_LT(run.seconds, 30);
}

TEST_F(RunOnMpi, EndsTogetherWhenAsked) {
  const auto output = folder("asked");
  bool asked = false;
  const auto run = train(4, output, {"--max-steps", "100000"}, [&](int) {
    if (asked || !std::filesystem::exists(output + "/checkpoint-2/trainer_state.json")) return;
    // A batch system's notice reaches one rank.
    if (const auto process = process_of_rank(small.path().string(), 3))
      asked = kill(*process, SIGTERM) == 0;
  });
  EXPECT_EQ(run.code, 143) << run.text;
  EXPECT_THAT(run.text, HasSubstr("terminated after step "));
  EXPECT_THAT(run.left, IsEmpty());
}

TEST_F(RunOnMpi, RefusesNumbersThatCannotHaveTheSameBits) {
  expect_error(train(3, folder("three")), 2,
               "3 ranks cannot share the 8 lanes of this run to the same bits (--gradient-lanes): "
               "1, 2, 4, 8 can");
  expect_error(
      train(2, folder("odd"), {"--gradient-accumulation-steps", "3", "--gradient-lanes", "2"}), 2,
      "--gradient-accumulation-steps 3: must be a multiple of --gradient-lanes 2");
  EXPECT_FALSE(std::filesystem::exists(folder("three")));
}

TEST_F(RunOnMpi, LanesAreTheNumberOfRanksAtTheFirstStart) {
  const auto output = folder("first");
  const auto run =
      launcher.run({{2,
                     {program().string(), "train", "--config", small.config(), "--data",
                      small.text(), "--output-dir", output, "--max-steps", "2", "--batch-size", "2",
                      "--block-size", "16", "--gradient-accumulation-steps", "2"}}},
                   small.path().string());
  ASSERT_EQ(run.code, 0) << run.text;
  EXPECT_THAT(read_text(output + "/options.toml"), HasSubstr("gradient_lanes = 2\n"));
  expect_error(resume(4, output), 2, "4 ranks cannot share the 2 lanes");
  const auto other = resume(1, output, {"--gradient-lanes", "1"});
  EXPECT_THAT(other.text, HasSubstr("--gradient-lanes 1: the run has 2"));
}

TEST_F(RunOnMpi, RefusesWhatIsOneProcesss) {
  expect_error(train(2, folder("fault"), {"--fault", "no-causal-mask"}), 2, "--fault: ");
  const auto mark = small.path().string();
  expect_error(
      launcher.run(
          {{2,
            {program().string(), "diagnose", "--config", small.config(), "--data", small.text()}}},
          mark),
      2, "diagnose: is one process's");
}

// What a container sets for other programs.
TEST(RanksOfOtherLaunchers, MatterToARunAlone) {
  const ProgramOptions in_a_pod{.in_child = [] {
    setenv("WORLD_SIZE", "4", 1);
    setenv("MASTER_ADDR", "nodea", 1);
  }};
  EXPECT_EQ(run_lookback({"presets"}, in_a_pod).code, 0);
  EXPECT_EQ(run_lookback({"--help"}, in_a_pod).code, 0);
  EXPECT_EQ(run_lookback({"train", "--help"}, in_a_pod).code, 2);
  const SmallRun small;
  tests::expect_error(small.train({}, in_a_pod), 2, "RANK");
}

TEST_F(RunOnMpi, RanksThatDifferAreNamedWithTheirHosts) {
  const auto other = folder("other.txt");
  auto text = read_text(small.text());
  std::ranges::reverse(text);
  write_text(other, text);
  const auto output = folder("different");
  auto words = command(output, {});
  auto others = command(output, {"--data", other});
  const auto mark = small.path().string();
  expect_error(launcher.run({{1, words}, {1, others}}, mark), 1,
               "[ranks] the first tokens of the next step is ");
  expect_error(
      launcher.run({{1, words}, {1, command(output, {"--learning-rate", "0.5"})}}, mark), 1,
      "[ranks] --learning-rate is 0.5 for rank 1 on " + host_name() + ", and 0.001 for rank 0");
  auto wider = small.model;
  wider["intermediate_size"] = 48;
  write_text(folder("wider.json"), wider.dump());
  expect_error(
      launcher.run({{1, words}, {1, command(output, {"--config", folder("wider.json")})}}, mark), 1,
      "[ranks] intermediate_size of the config is 48 for rank 1 on " + host_name() +
          ", and 32 for rank 0");
  const auto baseline = Words{"env", "LOOKBACK_ISA=baseline"} + words;
  const auto isa =
      launcher.run({{1, Words{"env", "-u", "LOOKBACK_ISA"} + words}, {1, baseline}}, mark);
  EXPECT_THAT(isa.text, HasSubstr("the instruction set"));
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST_F(RunOnMpi, AFileThatOneRankLacksIsNamedByIt) {
  const auto output = folder("lacking");
  const auto words = command(output, {}), lacking = command(output, {"--data", folder("none.txt")});
  expect_error(launcher.run({{1, words}, {1, lacking}}, small.path().string()), 1,
               "rank 1 on " + host_name() + ": [data] ");
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST_F(RunOnMpi, WhatAllLackIsSaidOnce) {
  expect_error(train(4, folder("lacking"), {"--data", folder("none.txt")}), 1, "[data] ");
}

TEST_F(RunOnMpi, AFullDiskOfTheFirstEndsAll) {
  const auto output = folder("full");
  const Words limited{"sh", "-c", "ulimit -f 1 2>/dev/null; exec \"$@\"", "sh"};
  const auto run = launcher.run({{1, limited + command(output, {})}, {3, command(output, {})}},
                                small.path().string());
  EXPECT_EQ(run.code, 1) << run.text;
  EXPECT_THAT(run.text, HasSubstr("lookback: error: "));
  EXPECT_THAT(run.text, Not(HasSubstr("lookback: error: rank")));
  EXPECT_THAT(run.left, IsEmpty());
}

}  // namespace
}  // namespace lookback::tests
