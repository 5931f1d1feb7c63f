// lookback train --sweep: small runs, also killed ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <thread>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class SweepRuns : public testing::Test {
 protected:
  std::string out() const { return small_.path() / "sweep"; }
  fs::path run(const std::string& name) const { return fs::path(out()) / name; }

  ProgramResult sweep(const std::string& text, std::vector<std::string> more = {},
                      const ProgramOptions& options = {}) const {
    const auto file = small_.path() / "sweep.toml";
    write_text(file, text);
    more.insert(more.begin(), {"--sweep", file, "--output-dir", out()});
    return small_.train(more, options);
  }
  std::map<std::string, json> runs(const ProgramResult& result) const {
    std::map<std::string, json> all;
    const auto told = SmallRun::json(result);
    for (const auto& each : told.at("runs")) all.emplace(each.at("name").get<std::string>(), each);
    return all;
  }

  SmallRun small_;
};

TEST_F(SweepRuns, AreTheRunsThatTrainWouldMake) {
  const auto result = sweep("preset = [\"llama\", \"method1\"]\nseed = [1, 2]\n",
                            {"--sweep-jobs", "2", "--threads", "2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto all = runs(result);
  ASSERT_THAT(all, SizeIs(4));
  for (const auto& [name, each] : all) EXPECT_EQ(each.at("state"), "ended") << name;
  EXPECT_THAT(SmallRun::json(result).at("failed"), IsEmpty());
  EXPECT_THAT(read_text(fs::path(out()) / "report.html"), HasSubstr("4 runs beside one another"));
  EXPECT_EQ(json::parse(read_text(fs::path(out()) / "report.json")).at("runs").size(), 4U);

  ASSERT_EQ(small_.train({"--preset", "method1", "--seed", "2"}).code, 0);
  EXPECT_EQ(read_text(run("preset=method1,seed=2") / "model.safetensors"),
            read_text(small_.path() / "run" / "model.safetensors"));
  EXPECT_THAT(read_text(run("preset=method1,seed=2") / "options.toml"), HasSubstr("threads = 1\n"));
}

TEST_F(SweepRuns, OneThatFailsIsNamedAndTheOthersGoOn) {
  const auto result = sweep("tokenizer = [\"none/tokenizer.json\", \"bytes\"]\n", {"--json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err,
              HasSubstr("lookback: error: 1 of 2 runs failed: tokenizer=tokenizer.json; "));
  const auto told = SmallRun::json(result);
  ASSERT_THAT(told.at("failed"), SizeIs(1));
  EXPECT_EQ(told.at("failed")[0].at("exit_code"), 1);
  EXPECT_THAT(told.at("failed")[0].at("error").get<std::string>(),
              HasSubstr("none/tokenizer.json: cannot be read"));
  ASSERT_THAT(told.at("runs"), SizeIs(1));
  EXPECT_EQ(told.at("runs")[0].at("state"), "ended");
}

TEST_F(SweepRuns, ThoseThatAreThereAreKeptOrGoOn) {
  const std::string two = "seed = [1, 2]\n";
  ASSERT_EQ(sweep(two).code, 0);
  const auto refused = sweep(two);
  expect_error(refused, 1, "seed=1: holds a run already; --resume keeps the runs that have ended");
  const auto written = fs::last_write_time(run("seed=1") / "model.safetensors");
  fs::remove_all(run("seed=1") / "checkpoint-6");  // what has ended needs none
  fs::remove_all(run("seed=2"));
  const auto again = sweep(two, {"--resume", "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(runs(again), SizeIs(2));
  EXPECT_EQ(fs::last_write_time(run("seed=1") / "model.safetensors"), written);
  // Longer ones go on; those that learn otherwise are not taken for the same.
  fs::remove_all(run("seed=1"));
  const auto longer = sweep("seed = 2\n", {"--resume", "--max-steps", "8", "--json"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  const auto other = sweep(two, {"--resume", "--weight-decay", "0.5", "--json"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("seed=2: failed: --weight-decay 0.5: the run has 0.1"));
}

// Until its end is asked for.
std::vector<std::string> endless(std::vector<std::string> more) {
  more.insert(more.end(), {"--max-steps", "100000", "--eval-steps", "100000", "--json"});
  return more;
}

TEST_F(SweepRuns, ASignalEndsThemAllAndResumeGoesOn) {
  const std::string three = "seed = [1, 2, 3]\n";
  const auto stopped =
      sweep(three, endless({"--sweep-jobs", "2"}),
            {.interrupt_when = run("seed=2") / "metrics.jsonl", .interrupt_signal = SIGTERM});
  EXPECT_EQ(stopped.code, 143) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("stopped when 0 of 3 runs had ended"));
  EXPECT_THAT(stopped.err, Not(HasSubstr("failed")));
  const auto all = runs(stopped);
  ASSERT_THAT(all, SizeIs(2)) << "the third had not begun";
  std::map<std::string, std::int64_t> steps;
  for (const auto& [name, each] : all) {
    EXPECT_EQ(each.at("state"), "stopped");
    steps[name] = each.at("step").get<std::int64_t>();
    EXPECT_TRUE(fs::exists(run(name) / ("checkpoint-" + std::to_string(steps[name]))));
  }
  const auto most = std::max(steps.at("seed=1"), steps.at("seed=2")) + 2;
  const auto again = sweep(three, {"--resume", "--max-steps", std::to_string(most), "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  for (const auto& [name, each] : runs(again)) EXPECT_EQ(each.at("step"), most) << name;
  EXPECT_THAT(read_text(run("seed=1") / "options.toml"), HasSubstr("# resumed from checkpoint-"));
}

// The N of a run's checkpoint-N, once there is one; 0: none has come.
int step_of_checkpoint_in(const fs::path& folder) {
  for (int turn = 0; turn < 1000; ++turn) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto name = entry.path().filename().string();
      if (name.starts_with("checkpoint-")) return std::stoi(name.substr(name.find('-') + 1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return 0;
}

TEST_F(SweepRuns, OfAKilledSweepTheyEndWithACheckpoint) {
  const auto metrics = run("seed=1") / "metrics.jsonl";
  const auto has_lines = [&] {
    std::error_code none;
    return fs::file_size(metrics, none) > 0 && !none;
  };
  const auto killed = sweep("seed = [1, 2]\n", endless({}), {.kill_when = has_lines});
  EXPECT_EQ(killed.code, 128 + SIGKILL);
  const int step = step_of_checkpoint_in(run("seed=1"));
  ASSERT_GT(step, 0) << "the run has gone on without its sweep";
  const auto again =
      sweep("seed = [1, 2]\n", {"--resume", "--max-steps", std::to_string(step + 2), "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  for (const auto& [name, each] : runs(again)) EXPECT_EQ(each.at("step"), step + 2) << name;
  EXPECT_THAT(read_text(run("seed=1") / "options.toml"), HasSubstr("# resumed from checkpoint-"));
}

TEST_F(SweepRuns, WrongUsageIsOneLine) {
  expect_error(small_.train({"--sweep-jobs", "2"}), 2, "--sweep-jobs goes with --sweep");
  expect_error(small_.train({"--sweep", small_.path() / "none.toml"}), 1, "cannot be read");
  expect_error(sweep("seed = [1, 2]\n", {"--sweep-jobs", "0"}), 2, "--sweep-jobs 0: must be");
  expect_error(sweep("max_steps = [1, 2]\n"), 2, "--max-steps is given on the command line");
  EXPECT_FALSE(fs::exists(out()));
  ASSERT_EQ(small_.train().code, 0);
  expect_error(small_.train({"--sweep", small_.path() / "sweep.toml", "--max-steps=6"}), 2,
               "--max-steps is given");
  write_text(small_.path() / "sweep.toml", "seed = [1, 2]\n");
  expect_error(small_.train({"--sweep", small_.path() / "sweep.toml"}), 1, "holds a run itself");
}

}  // namespace
}  // namespace lookback::tests
