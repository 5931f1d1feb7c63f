// `train --load-best-model-at-end`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/apps/cut_run.h"
#include "tests/apps/run_files.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class BestModel : public CutRun {
 protected:
  // What is learned of the training text makes other texts less likely.
  BestModel() {
    std::string words, others;
    while (words.size() < 4000) words += "it goes so; ";
    for (int i = 0; i < 1000; ++i) others += static_cast<char>('A' + i * i % 61);
    write_text(small_.text(), words);
    write_text(other(), others);
  }
  std::string other() const { return folder("other.txt"); }

  std::vector<std::string> flags(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"--load-best-model-at-end", "--validation-data=" + other(),
                                    "--learning-rate=0.01",     "--max-steps=12",
                                    "--eval-steps=2",           "--eval-batches=3"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // The step whose validation loss is the lowest, of all but the last line.
  static int best_step(const fs::path& run) {
    int best = 0;
    double least = 0;
    auto lines = SmallRun::metrics(run);
    lines.pop_back();
    for (const auto& line : lines) {
      if (!line.contains("validation_loss")) continue;
      const double loss = line.at("validation_loss");
      if (best != 0 && loss >= least) continue;
      best = line.at("step");
      least = loss;
    }
    return best;
  }
};

TEST_F(BestModel, IsKeptAndIsTheModelAtTheEnd) {
  const fs::path run = small_.run();
  const auto result = small_.train(flags({"--save-total-limit=1", "--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const int best = best_step(run);
  ASSERT_LT(best, 10) << "the data do not do what they are for";
  const auto name = "checkpoint-" + std::to_string(best);
  std::set<std::string> checkpoints;
  for (const auto& entry : fs::directory_iterator(run))
    if (fs::is_directory(entry)) checkpoints.insert(entry.path().filename());
  EXPECT_EQ(checkpoints, (std::set<std::string>{name, "checkpoint-12"}));
  EXPECT_EQ(read_text(run / "model.safetensors"), read_text(run / name / "model.safetensors"));
  EXPECT_NE(read_text(run / "model.safetensors"),
            read_text(run / "checkpoint-12" / "model.safetensors"));
  const auto last = SmallRun::metrics(run).back();
  EXPECT_EQ(last.at("step"), 12);
  EXPECT_EQ(last.at("best_step"), best);
  EXPECT_EQ(SmallRun::json(result).at("best_step"), best);
  EXPECT_EQ(SmallRun::json(run_lookback({"eval", run, "--json"})).at("loss"),
            last.at("validation_loss"));
  const auto state = nlohmann::json::parse(read_text(run / "checkpoint-12" / "trainer_state.json"));
  EXPECT_EQ(state.at("best").at("step"), best);
}

TEST_F(BestModel, ChangesNoStep) {
  auto plain = flags({"--save-steps=2", "--save-total-limit=9", "--output-dir", folder("plain")});
  plain.erase(plain.begin());
  ASSERT_EQ(small_.train(plain).code, 0);
  ASSERT_EQ(small_.train(flags({"--save-total-limit=9"})).code, 0);
  for (const int step : {2, 8, 12}) {
    for (const auto* name : {"model.safetensors", "optimizer.safetensors"}) {
      const auto file = "checkpoint-" + std::to_string(step) + "/" + name;
      EXPECT_EQ(read_text(fs::path(small_.run()) / file), read_text(folder("plain") / file));
    }
  }
  const auto state = read_text(folder("plain") / "checkpoint-12" / "trainer_state.json");
  EXPECT_EQ(state.find("\"best\""), state.npos);
  EXPECT_FALSE(SmallRun::metrics(folder("plain")).back().contains("best_step"));
}

TEST_F(BestModel, OfAResumedRunIsThatOfAWholeOne) {
  for (const int cut : {4, 8}) {
    train_and_cut(cut, flags({"--save-steps=4"}));
    expect_whole();
    fs::remove_all(folder("cut"));
    fs::remove_all(folder("whole"));
  }
}

TEST_F(BestModel, OfALongerRunGoesOnFromItsLastStep) {
  const std::string constant = "--lr-scheduler-type=constant";
  ASSERT_EQ(small_.train(flags({constant})).code, 0);
  const auto longer = resume(small_.run(), {"--max-steps=14"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  ASSERT_EQ(small_.train(flags({constant, "--max-steps=14", "--output-dir", folder("whole")})).code,
            0);
  for (const auto* file : {"checkpoint-14/model.safetensors", "model.safetensors"})
    EXPECT_EQ(read_text(fs::path(small_.run()) / file), read_text(folder("whole") / file));
}

TEST_F(BestModel, NeedsAnEvaluationBesideEachCheckpoint) {
  expect_error(small_.train(flags({"--save-steps=3"})), 2,
               "--save-steps 3 must be a multiple of --eval-steps 2");
}

}  // namespace
}  // namespace lookback::tests
