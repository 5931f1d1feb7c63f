// What is read out of the folders of several runs, and what is said of them together.
#include "apps/compare/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/compare/find_runs.h"
#include "apps/train/output_folder.h"
#include "runtime/check.h"
#include "tests/apps/written_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ShortNames, AreWhatDiffersInThePaths) {
  EXPECT_THAT(short_names({"/a/b/run"}), ElementsAre("run"));
  EXPECT_THAT(short_names({"/a/lr-1", "/a/lr-2"}), ElementsAre("lr-1", "lr-2"));
  EXPECT_THAT(short_names({"/a/lr-1/run", "/a/lr-2/run"}), ElementsAre("lr-1", "lr-2"));
  EXPECT_THAT(short_names({"/a/x/run", "/b/run"}), ElementsAre("a/x", "b"));
  EXPECT_THAT(short_names({"/a/1/run/x", "/a/2/run/y"}), ElementsAre("1/run/x", "2/run/y"));
  EXPECT_THAT(short_names({"/a", "/a/b"}), ElementsAre("a", "a/b")) << "one lies in another";
  EXPECT_THAT(short_names({"/a/run", "/a/run/run"}), ElementsAre("run", "run/run"));
}

class ComparedRuns : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return folder_.path() / name; }
  std::vector<std::string> names(const std::vector<std::string>& named) const {
    std::vector<std::string> found;
    for (const auto& each : find_runs(named))
      found.push_back(fs::relative(each, fs::canonical(folder_.path())).string());
    return found;
  }
  static std::string refusal(const std::vector<std::string>& named) {
    try {
      find_runs(named);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryDirectory folder_;
};

TEST_F(ComparedRuns, AreFoundInTheFoldersThatHoldThem) {
  for (const auto* name : {"sweep/b", "sweep/a", "sweep/deep/er/c", "sweep/.hidden", "one"})
    ended_run(2).write(at(name));
  fs::create_directories(at("sweep/a/checkpoint-20"));
  write_text(at("sweep/notes.txt"), "no run");
  EXPECT_THAT(names({at("sweep")}), ElementsAre("sweep/a", "sweep/b", "sweep/deep/er/c"));
  EXPECT_THAT(names({at("one"), at("one/"), at("sweep/../one"), at("sweep/b")}),
              ElementsAre("one", "sweep/b"))
      << "each once, in their order";
}

TEST_F(ComparedRuns, WhatIsNoneIsNamed) {
  ended_run(2).write(at("run"));
  fs::create_directories(at("run/checkpoint-20"));
  fs::create_directories(at("empty/in/it"));
  EXPECT_THAT(refusal({at("run"), at("nothing")}), HasSubstr("nothing: there is no such folder"));
  EXPECT_THAT(refusal({at("empty")}), HasSubstr("empty: holds no run, and neither does a folder"));
  EXPECT_THAT(refusal({at("run/metrics.jsonl")}), HasSubstr("is no folder"));
  EXPECT_THAT(refusal({at("run/checkpoint-20")}), HasSubstr("is a checkpoint; its run is"));
}

TEST_F(ComparedRuns, TokensAndSecondsOfAnEvaluationLieBetweenThoseOfTraining) {
  WrittenRun written{.metrics = {R"({"step":5,"validation_loss":4})",
                                 R"({"step":10,"loss":3,"tokens":1000,"seconds":2})",
                                 R"({"step":15,"validation_loss":2})",
                                 R"({"step":20,"loss":2,"tokens":2000,"seconds":6})",
                                 R"({"step":25,"validation_loss":3})"}};
  written.write(at("run"));
  const auto run = read_run_record(at("run"));
  ASSERT_EQ(run.validation_loss.size(), 3U);
  const auto& curve = run.validation_loss;
  EXPECT_EQ(curve[0].tokens, 500);
  EXPECT_EQ(curve[0].seconds, 1);
  EXPECT_EQ(curve[1].tokens, 1500);
  EXPECT_EQ(curve[1].seconds, 4);
  EXPECT_EQ(curve[2].tokens, 2500) << "as fast as before";
  EXPECT_EQ(curve[2].seconds, 8);
  ASSERT_NE(run.best_evaluation(), nullptr);
  EXPECT_EQ(run.best_evaluation()->step, 15);
  EXPECT_EQ(run.last_validation_loss(), 3);
  EXPECT_EQ(run.tokens_per_second(), 2000.0 / 6);
}

TEST_F(ComparedRuns, SayHowFarTheyAre) {
  ended_run(2).write(at("ended"));
  auto cut = ended_run(2);
  cut.metrics.pop_back();
  cut.write(at("stopped"));
  cut.metrics = {};
  cut.write(at("just begun"));
  auto bare = ended_run(2);
  bare.write(at("bare"));
  fs::remove(at("bare/options.toml"));
  EXPECT_EQ(read_run_record(at("ended")).state, RunState::ended);
  EXPECT_EQ(read_run_record(at("stopped")).state, RunState::stopped);
  EXPECT_EQ(read_run_record(at("just begun")).state, RunState::stopped);
  EXPECT_EQ(read_run_record(at("bare")).state, RunState::unknown);
  cut.write(at("running"));
  OutputFolder training(at("running"), ExistingRun::resumed);
  static_cast<void>(training.work());
  EXPECT_EQ(read_run_record(at("running")).state, RunState::running);
}

TEST_F(ComparedRuns, LinesOfNoRunAreLeftOutWithAWarning) {
  WrittenRun written{.metrics = {R"({"step":10,"loss":3,"tokens":1000,"seconds":2})", "garbage",
                                 R"({"step":20,"loss":"low"})", R"({"step":20,"accuracy":0.5})",
                                 R"({"step":20,"validation_l)"}};
  written.write(at("run"));
  testing::internal::CaptureStderr();
  const auto run = read_run_record(at("run"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("line 2 of 2 such is no line of a run"));
  ASSERT_EQ(run.loss.size(), 1U);
  EXPECT_EQ(run.step, 20);
  EXPECT_THAT(run.validation_loss, IsEmpty());

  write_text(at("run/metrics.jsonl"), "{\"step\":1,\"train_loss\":3}\n{\"step\":2,\"lr\":3}\n");
  write_text(at("run/options.toml"), "no option at all\n");
  testing::internal::CaptureStderr();
  const auto other = read_run_record(at("run"));
  const auto warnings = testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings, HasSubstr("metrics.jsonl: no line has a loss or a validation_loss"));
  EXPECT_THAT(warnings, HasSubstr("options.toml: line 1: no option at all"));
  EXPECT_EQ(other.state, RunState::unknown);
}

TEST_F(ComparedRuns, ShowOnlyWhatDiffers) {
  auto a = ended_run(3), b = ended_run(2);
  a.options += "learning_rate = 0.001\noutput_dir = \"/a\"\n";
  b.options += "learning_rate = 0.003\noutput_dir = \"/b\"\ndecay_steps = 5\n";
  b.config = R"({"vocab_size": 256, "hidden_size": 16, "rope_scaling": {"factor": 2}})";
  a.write(at("a"));
  b.write(at("b"));
  const auto both = compare_runs({at("a"), at("b")});
  EXPECT_EQ(both.runs.front().name, "b") << "the lower validation loss comes first";
  ASSERT_NE(both.best(), nullptr);
  EXPECT_EQ(both.best()->name, "b");
  EXPECT_THAT(both.options.keys, ElementsAre("learning_rate", "decay_steps"));
  EXPECT_THAT(both.options.values,
              ElementsAre(ElementsAre("0.003", "5"), ElementsAre("0.001", "")));
  EXPECT_THAT(both.config.keys, ElementsAre("rope_scaling.factor"));
  EXPECT_THAT(both.notes, IsEmpty());
  EXPECT_EQ(summary_of(both), "2 runs (2 ended); the lowest validation loss, 2.0000, is that of b");
}

TEST_F(ComparedRuns, LossesOfOtherVocabulariesAndTextsAreNotCompared) {
  auto a = ended_run(3), b = ended_run(2), c = ended_run(1);
  b.config = R"({"vocab_size": 4096})";
  b.options = "max_steps = 20\ndata = \"a.txt\"\ntokenizer = \"/t/tokenizer.json\"\n";
  c.options = "max_steps = 20\ndata = \"b.txt\"\ntokenizer = \"bytes\"\n";
  a.write(at("a"));
  b.write(at("b"));
  c.write(at("c"));
  const auto words = compare_runs({at("a"), at("b")});
  EXPECT_FALSE(words.comparable);
  EXPECT_EQ(words.best(), nullptr);
  EXPECT_EQ(words.runs.front().name, "a") << "as they were named";
  ASSERT_EQ(words.notes.size(), 1U);
  EXPECT_THAT(words.notes[0], HasSubstr("a: 256 tokens, bytes; b: 4096 tokens, tokenizer.json."));
  const auto texts = compare_runs({at("a"), at("c")});
  ASSERT_EQ(texts.notes.size(), 1U);
  EXPECT_THAT(texts.notes[0], HasSubstr("validated on different data"));
  EXPECT_EQ(comparison_json(texts, ComparisonDetail::summary).at("best"), nullptr);
}

// Two tokenizers of one size and name, of which each run keeps its own.
TEST_F(ComparedRuns, TokenizersAreToldApartByWhatIsInThem) {
  auto run = ended_run(2);
  run.options = "max_steps = 20\ndata = \"a.txt\"\ntokenizer = \"/t/tokenizer.json\"\n";
  for (const auto* name : {"a", "b"}) run.write(at(name));
  write_text(at("a/tokenizer.json"), "{}");
  write_text(at("b/tokenizer.json"), "{}");
  EXPECT_TRUE(compare_runs({at("a"), at("b")}).comparable);
  write_text(at("b/tokenizer.json"), "{ }");
  EXPECT_FALSE(compare_runs({at("a"), at("b")}).comparable);
}

// RFC 4180, read back.
std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && text.substr(i, 2) == "\"\"") {
      rows.back().back() += text[i++];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      rows.back().emplace_back();
    } else if (!quoted && text.substr(i, 2) == "\r\n") {
      rows.push_back({""});
      ++i;
    } else {
      rows.back().back() += c;
    }
  }
  rows.pop_back();
  return rows;
}

TEST_F(ComparedRuns, AsATableHaveARowForEachLine) {
  auto a = ended_run(2), b = ended_run(1.5);
  a.metrics.push_back(R"({"step":21,"validation_loss":1.25,"learned":{"s, 1":[0.5,1e-7]}})");
  b.metrics.push_back(R"({"step":22,"loss":0.1,"mine":7,"text":"x"})");
  a.write(at("lr=1,\"quoted\""));
  b.write(at("b"));
  const auto text = metrics_csv(compare_runs({at("lr=1,\"quoted\""), at("b")}));
  const auto rows = read_csv(text);
  ASSERT_EQ(rows.size(), 9U) << "a header, and four lines of each";
  for (const auto& row : rows) ASSERT_EQ(row.size(), rows[0].size());
  EXPECT_THAT(rows[0], ElementsAre("run", "step", "loss", "auxiliary_loss", "accuracy", "grad_norm",
                                   "learning_rate", "tokens", "tokens_per_second", "seconds",
                                   "validation_loss", "validation_accuracy", "floor", "floor_error",
                                   "peak_bytes", "learned/s, 1/0", "learned/s, 1/1", "mine"));
  EXPECT_EQ(rows[1][0], "lr=1,\"quoted\"") << "the lower loss";
  EXPECT_THAT(rows[4], ElementsAre("lr=1,\"quoted\"", "21", "", "", "", "", "", "", "", "", "1.25",
                                   "", "", "", "", "0.5", "1e-07", ""));
  EXPECT_EQ(rows[5][0], "b");
  EXPECT_EQ(rows[8][2], "0.1");
  EXPECT_EQ(rows[8].back(), "7");
}

}  // namespace
}  // namespace lookback::tests
