// Whole training runs through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <numbers>
#include <optional>
#include <set>

#include "tests/apps/event_reader.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::set<std::string> keys_of(const nlohmann::json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

const std::set<std::string> training_keys = {
    "step",          "loss",   "accuracy",          "grad_norm",
    "learning_rate", "tokens", "tokens_per_second", "seconds"};

TEST(TrainProgram, LeavesAWholeFolder) {
  const SmallRun small;
  const auto result =
      small.train({"--logging-steps=4", "--json", "--save-steps=2", "--save-total-limit=2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(small.run())) {
    files.insert(fs::relative(entry.path(), small.run()));
  }
  std::set<std::string> expected = {"config.json", "model.safetensors", "lookback-checksums.json",
                                    "options.toml", "metrics.jsonl"};
  for (const auto& file : event_files(small.run())) expected.insert(file.filename());
  for (const std::string checkpoint : {"checkpoint-4", "checkpoint-6"}) {
    expected.insert(checkpoint);
    for (const auto* file :
         {"config.json", "model.safetensors", "optimizer.safetensors", "trainer_state.json"}) {
      expected.insert(checkpoint + "/" + file);
    }
  }
  EXPECT_EQ(files, expected);
  const fs::path run = small.run();
  EXPECT_EQ(read_text(run / "checkpoint-6" / "model.safetensors"),
            read_text(run / "model.safetensors"));
  EXPECT_EQ(
      nlohmann::json::parse(read_text(run / "checkpoint-6" / "trainer_state.json")).at("step"), 6);

  const auto summary = SmallRun::json(result);
  EXPECT_EQ(keys_of(summary),
            (std::set<std::string>{"steps", "loss", "validation_loss", "validation_accuracy",
                                   "floor", "floor_error", "tokens_per_second", "parameters",
                                   "peak_bytes", "output_dir"}));
  EXPECT_EQ(summary.at("steps"), 6);
  EXPECT_TRUE(summary.at("floor").is_null());
  EXPECT_EQ(summary.at("output_dir"), small.run());
}

TEST(TrainProgram, WritesMetricsAsPromised) {
  const SmallRun small;
  const auto result =
      small.train({"--logging-steps=4", "--eval-steps=3", "--warmup-steps=2",
                   "--learning-rate=0.01", "--min-learning-rate-ratio=0.5", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto lines = SmallRun::metrics(small.run());
  ASSERT_EQ(lines.size(), 4U);
  const auto &evaluation = lines[0], &first = lines[1], &second = lines[2], &last = lines[3];
  EXPECT_EQ(keys_of(evaluation), (std::set<std::string>{"step", "validation_loss",
                                                        "validation_accuracy", "peak_bytes"}));
  EXPECT_EQ(evaluation.at("step"), 3);
  EXPECT_EQ(keys_of(first), training_keys);
  EXPECT_EQ(first.at("step"), 4);
  EXPECT_EQ(second.at("step"), 6);
  EXPECT_EQ(first.at("tokens"), 4 * 2 * SmallRun::block_size);
  EXPECT_EQ(second.at("tokens"), 6 * 2 * SmallRun::block_size);
  EXPECT_GT(second.at("seconds"), first.at("seconds"));
  const auto rate = [](int step) {  // 2 steps of warming up, then a cosine from 0.01 to 0.005
    const double progress = (step - 2) / 4.0;
    return 0.01 * (0.5 + 0.5 * (1 + std::cos(std::numbers::pi * progress)) / 2);
  };
  EXPECT_DOUBLE_EQ(first.at("learning_rate").get<double>(), rate(3));
  EXPECT_DOUBLE_EQ(second.at("learning_rate").get<double>(), rate(5));
  EXPECT_EQ(last.at("step"), 6);
  const auto summary = SmallRun::json(result);
  EXPECT_EQ(summary.at("loss"), second.at("loss"));
  EXPECT_EQ(summary.at("validation_loss"), last.at("validation_loss"));
  EXPECT_NEAR(first.at("loss").get<double>(), std::log(256), 0.5);
}

TEST(TrainProgram, EvalRepeatsTheLastLossExactly) {
  const SmallRun small;
  for (const std::string dtype : {"float32", "float64", "bfloat16"}) {
    ASSERT_EQ(small.train({"--dtype", dtype, "--overwrite"}).code, 0);
    const auto expected = SmallRun::metrics(small.run()).back();
    const auto result = run_lookback({"eval", small.run(), "--json", "--threads=1"});
    ASSERT_EQ(result.code, 0) << result.err;
    const auto got = SmallRun::json(result);
    EXPECT_EQ(got.at("loss"), expected.at("validation_loss")) << dtype;
    EXPECT_EQ(got.at("accuracy"), expected.at("validation_accuracy"));
    EXPECT_DOUBLE_EQ(got.at("bits_per_byte").get<double>(),
                     got.at("loss").get<double>() / std::log(2));
    EXPECT_DOUBLE_EQ(got.at("perplexity").get<double>(), std::exp(got.at("loss").get<double>()));
    // The last 5 % of the text, every token but the first scored once.
    const auto bytes = static_cast<std::int64_t>(fs::file_size(small.text()));
    EXPECT_EQ(got.at("tokens"), bytes - bytes * 95 / 100 - 1);
    EXPECT_EQ(run_lookback({"eval", small.run() + "/checkpoint-6", "--json"}).out, result.out);
  }
}

TEST(TrainProgram, TheSameBitsTwiceAndAtAnyNumberOfThreads) {
  const SmallRun small;
  const auto weights = [&](const std::vector<std::string>& more) {
    auto arguments = more;
    arguments.emplace_back("--overwrite");
    EXPECT_EQ(small.train(arguments).code, 0);
    return read_text(fs::path(small.run()) / "model.safetensors");
  };
  const auto one = weights({"--threads=1"});
  EXPECT_EQ(weights({"--threads=1"}), one);
  EXPECT_EQ(weights({"--threads=2"}), one);
  EXPECT_NE(weights({"--seed=1"}), one);
}

TEST(TrainProgram, OptionsComeBackFromTheirFile) {
  const SmallRun small;
  ASSERT_EQ(small.train({"--learning-rate=0.02", "--seed=5"}).code, 0);
  const auto weights = read_text(fs::path(small.run()) / "model.safetensors");
  const std::string again = small.path() / "again";
  const auto result = run_lookback(
      {"train", "--options", small.run() + "/options.toml", "--output-dir", again, "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_text(fs::path(again) / "model.safetensors"), weights);
  expect_error(run_lookback({"train", "--options", small.config()}), 2, "must be `name = value`");
}

TEST(TrainProgram, KnowsTheFloorOfItsOwnStories) {
  SmallRun small;
  small.model["vocab_size"] = 1024;  // more than they have words
  write_text(small.config(), small.model.dump());
  const auto result = small.train({"--data=builtin:stories", "--max-steps=2", "--eval-batches=1"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto last = SmallRun::metrics(small.run()).back();
  EXPECT_GT(last.at("floor"), 0.1);
  EXPECT_GT(last.at("floor_error"), 0);
  EXPECT_GT(last.at("validation_loss"), last.at("floor"));
  const auto evaluated = SmallRun::json(run_lookback({"eval", small.run(), "--json"}));
  EXPECT_EQ(evaluated.at("loss"), last.at("validation_loss"));
  EXPECT_EQ(evaluated.at("floor"), last.at("floor"));
  EXPECT_EQ(evaluated.at("floor_error"), last.at("floor_error"));
  EXPECT_EQ(evaluated.at("tokens"), 100 * 2 * SmallRun::block_size) << "100 batches";
  EXPECT_FALSE(evaluated.contains("bits_per_byte"));
}

TEST(TrainProgram, ABuiltInConfigTakesTheVocabularyOfItsData) {
  const SmallRun small;
  const auto result = small.train({"--config=smoke", "--data=builtin:stories", "--max-steps=1",
                                   "--batch-size=1", "--block-size=2"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto config = nlohmann::json::parse(read_text(fs::path(small.run()) / "config.json"));
  EXPECT_NE(config.at("vocab_size"), 256);
  EXPECT_EQ(config.at("hidden_size"), 256);
}

TEST(TrainProgram, StartsFromWeights) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  const auto first = SmallRun::metrics(small.run()).back().at("validation_loss").get<double>();
  const std::string second = small.path() / "second";
  // The config comes with the weights; a learning rate of 0 leaves them as they are.
  const auto result = run_lookback({"train", "--init-from", small.run(), "--data", small.text(),
                                    "--output-dir", second, "--max-steps=1", "--batch-size=2",
                                    "--block-size=16", "--learning-rate=0", "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(SmallRun::metrics(second).back().at("validation_loss").get<double>(), first);
}

void expect_last_step_saved(const SmallRun& small) {
  const auto step = SmallRun::metrics(small.run()).back().at("step").get<int>();
  const auto checkpoint = fs::path(small.run()) / ("checkpoint-" + std::to_string(step));
  EXPECT_EQ(read_text(checkpoint / "model.safetensors"),
            read_text(fs::path(small.run()) / "model.safetensors"));
  EXPECT_EQ(run_lookback({"eval", small.run()}).code, 0);
}

TEST(TrainProgram, CtrlCFinishesTheStep) {
  const SmallRun small;
  const auto result = small.train({"--max-steps=100000", "--eval-steps=100000"},
                                  {.interrupt_when = fs::path(small.run()) / "metrics.jsonl"});
  EXPECT_EQ(result.code, 130) << result.err;
  ASSERT_THAT(result.err, testing::StartsWith("interrupted after step "));
  EXPECT_THAT(result.err, HasSubstr("--resume"));
  expect_last_step_saved(small);
}

TEST(TrainProgram, SigtermFinishesTheStep) {
  const SmallRun small;
  const auto result = small.train(
      {"--max-steps=100000", "--eval-steps=100000"},
      {.interrupt_when = fs::path(small.run()) / "metrics.jsonl", .interrupt_signal = SIGTERM});
  EXPECT_EQ(result.code, 143) << result.err;
  ASSERT_THAT(result.err, testing::StartsWith("terminated after step "));
  EXPECT_THAT(result.err, HasSubstr("--resume"));
  expect_last_step_saved(small);
}

TEST(TrainProgram, PlainLinesWhereThereIsNoTerminal) {
  const SmallRun small;
  const auto result =
      small.train({"--quiet=false", "--logging-steps=3", "--eval-steps=6", "--device=cpu"});
  EXPECT_THAT(result.err,
              testing::MatchesRegex(
                  "[0-9]+ parameters; [^\n]*\nstep 3/6  loss [^\n]*\nstep 6/6  loss [^\n]*\n"
                  "step 6/6  validation loss [^\n]*\n"));
  EXPECT_THAT(result.out, testing::StartsWith("6 steps, "));
}

TEST(TrainProgram, SaysHowLongItWillTake) {
  using Clock = std::chrono::steady_clock;
  const SmallRun small;
  std::optional<Clock::time_point> begun;
  const auto measured = [&] {
    if (!begun && fs::exists(fs::path(small.run()) / "metrics.jsonl")) begun = Clock::now();
    return begun && Clock::now() - *begun > std::chrono::milliseconds(7000);
  };
  const auto result = small.train({"--quiet=false", "--max-steps=100000000",
                                   "--logging-steps=100000000", "--eval-steps=100000000"},
                                  {.kill_when = measured});
  EXPECT_THAT(result.err, testing::ContainsRegex("\nabout [0-9]+ [a-z]+ for the remaining [0-9]+ "
                                                 "steps at [0-9]+ tokens/s; [^\n]*\n"));
}

}  // namespace
}  // namespace lookback::tests
