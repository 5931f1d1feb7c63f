// Runs that meet a batch of other text than what they have learned, or weights that have gone to
// infinity.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/apps/cut_run.h"
#include "tests/apps/run_files.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class SpikeRun : public CutRun {
 protected:
  static constexpr std::int64_t odd_begin = 3000, odd_length = 24;

  // One sentence again and again, with a few other bytes at one place.
  SpikeRun() {
    std::string words;
    while (words.size() < 7000) words += "it goes so; ";
    for (std::int64_t i = 0; i < odd_length; ++i)
      words[static_cast<std::size_t>(odd_begin + i)] = static_cast<char>('A' + i);
    write_text(small_.text(), words);
  }

  ProgramResult train(const std::string& into, std::vector<std::string> more) const {
    more.insert(more.begin(), {"--max-steps=240", "--batch-size=4", "--learning-rate=0.01",
                               "--lr-scheduler-type=constant", "--logging-steps=20",
                               "--eval-steps=240", "--threads=1", "--output-dir"});
    more.insert(more.begin() + 8, folder(into));
    return small_.train(more);
  }

  std::vector<json> spikes_of(const std::string& run) const {
    std::vector<json> found;
    for (const auto& line : SmallRun::metrics(folder(run)))
      if (line.contains("spike")) found.push_back(line);
    return found;
  }

  std::string file(const std::string& name) const { return read_text(folder(name)); }
};

std::string at(const std::string& run, int step, const std::string& name) {
  return run + "/checkpoint-" + std::to_string(step) + "/" + name;
}

TEST_F(SpikeRun, IsSaidWithTheRowThatMadeItAndTheRunGoesOn) {
  const auto result = train("warned", {});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto spikes = spikes_of("warned");
  ASSERT_FALSE(spikes.empty());
  for (const auto& line : spikes) {
    const auto& spike = line.at("spike");
    EXPECT_EQ(spike.at("done"), "warn");
    EXPECT_GT(spike.at("value"), spike.at("bound"));
    ASSERT_EQ(spike.at("rows").size(), 4U);
    const bool odd = std::ranges::any_of(spike.at("rows"), [&](const json& row) {
      EXPECT_EQ(row.at("document"), small_.text());
      const auto token = row.at("token").get<std::int64_t>();
      return token + SmallRun::block_size >= odd_begin && token < odd_begin + odd_length;
    });
    // The steps behind it may be others than ours: of what was learned from it.
    if (&line == &spikes[0]) {
      EXPECT_TRUE(odd) << line;
    }
    EXPECT_THAT(result.err, HasSubstr("step " + line.at("step").dump() + ": the " +
                                      spike.at("of").get<std::string>() + " is "));
  }
  EXPECT_THAT(result.err,
              HasSubstr("; the run goes on; row 0 is " + small_.text() + " from token "));
  EXPECT_EQ(run_lookback({"eval", folder("warned")}).code, 0);
}

TEST_F(SpikeRun, SkippedLeavesWeightsAndMomentsAsTheyWere) {
  ASSERT_EQ(train("warned", {}).code, 0);
  const int step = spikes_of("warned").at(0).at("step");
  const auto last = [&](int steps) { return "--max-steps=" + std::to_string(steps); };
  ASSERT_EQ(train("before", {last(step - 1)}).code, 0);
  ASSERT_EQ(train("behind", {last(step), "--on-spike=skip"}).code, 0);
  EXPECT_EQ(file("behind/model.safetensors"), file("before/model.safetensors"));
  EXPECT_EQ(file(at("behind", step, "optimizer.safetensors")),
            file(at("before", step - 1, "optimizer.safetensors")))
      << "also that it has made one step less";
  ASSERT_EQ(train("moved", {last(step)}).code, 0);
  EXPECT_NE(file("moved/model.safetensors"), file("before/model.safetensors"));
}

TEST_F(SpikeRun, StopsBeforeTheUpdateAndGoesOnBehindIt) {
  ASSERT_EQ(train("skipped", {"--on-spike=skip"}).code, 0);
  const auto skipped = spikes_of("skipped");
  const int step = skipped.at(0).at("step");
  const auto stopped = train("stopped", {"--on-spike=stop"});
  expect_error(stopped, 4, "step " + std::to_string(step) + ": the ");
  EXPECT_THAT(stopped.err, HasSubstr("checkpoint-" + std::to_string(step - 1)));
  EXPECT_THAT(stopped.err, HasSubstr(small_.text() + " from token "));
  EXPECT_EQ(spikes_of("stopped").at(0).at("spike").at("done"), "stop");
  EXPECT_EQ(file("stopped/model.safetensors"), file(at("stopped", step - 1, "model.safetensors")));
  expect_error(resume(folder("stopped")), 4, "nothing was changed");
  const auto resumed = resume(folder("stopped"), {"--on-spike=skip"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  const auto ours = run_files(folder("stopped")), theirs = run_files(folder("skipped"));
  for (const auto* name : {"model.safetensors", "metrics.jsonl", "events"})
    EXPECT_EQ(ours.at(name), theirs.at(name)) << name;
}

TEST_F(SpikeRun, GoesBackToTheLastCheckpoint) {
  ASSERT_EQ(train("warned", {}).code, 0);
  const int step = spikes_of("warned").at(0).at("step");
  const int checkpoint = (step - 1) / 20 * 20;
  const auto result = train("back", {"--max-steps=" + std::to_string(step), "--on-spike=back",
                                     "--save-steps=20", "--save-total-limit=2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("back to checkpoint-" + std::to_string(checkpoint)));
  for (const auto* name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(file(at("back", step, name)), file(at("back", checkpoint, name))) << name;
}

TEST_F(SpikeRun, ResumedMeetsTheSameOnes) {
  for (const std::string what : {"warn", "skip", "back"}) {
    const std::vector<std::string> flags = {"--on-spike=" + what, "--save-steps=24",
                                            "--save-total-limit=99"};
    ASSERT_EQ(train("whole", flags).code, 0);
    const auto spikes = spikes_of("whole");
    ASSERT_FALSE(spikes.empty());
    const int first = spikes[0].at("step");
    for (const int cut : {(first - 1) / 24 * 24, (first + 23) / 24 * 24}) {
      if (cut == 0 || cut >= 240) continue;
      fs::remove_all(folder("cut"));
      fs::copy(folder("whole"), folder("cut"), fs::copy_options::recursive);
      for (int step = cut + 24; step <= 240; step += 24)
        fs::remove_all(folder("cut") / ("checkpoint-" + std::to_string(step)));
      const auto result = resume(folder("cut"));
      ASSERT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "")
          << what << " from " << cut;
    }
    fs::remove_all(folder("whole"));
  }
}

TEST_F(SpikeRun, LeavesOutTenUpdatesAndNoMore) {
  // The first update takes the weights to infinity: no batch is good from there on.
  const auto result =
      train("lost", {"--learning-rate=1e15", "--on-spike=skip", "--logging-steps=1"});
  expect_error({result.code, result.out, result.err.substr(result.err.rfind("lookback: "))}, 4,
               "10 updates were left out lately");
  const auto spikes = spikes_of("lost");
  ASSERT_EQ(spikes.size(), 11U);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(spikes[i].at("spike").at("done"), "skip");
    EXPECT_TRUE(spikes[i].at("spike").at("value").is_string());
  }
  EXPECT_EQ(spikes.back().at("spike").at("done"), "stop");
}

TEST_F(SpikeRun, CannotGoBackWithoutCheckpoints) {
  expect_error(train("back", {"--on-spike=back"}), 2, "--save-steps must say how often");
  const auto result =
      train("back", {"--on-spike=back", "--save-steps=100", "--learning-rate=1e15"});
  expect_error(result, 4, "there is no checkpoint yet to go back to");
}

}  // namespace
}  // namespace lookback::tests
