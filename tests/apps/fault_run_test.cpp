// Known mistakes in whole runs: training with one really has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runtime/safetensors.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class FaultRun : public ::testing::Test {
 protected:
  ProgramResult train(const std::string& fault, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--fault", fault, "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return small_.train(arguments);
  }

  // The bytes of every weight after so many steps, by name.
  std::map<std::string, std::string> weights_after(const std::string& fault, int steps) {
    const auto result = train(fault, {"--max-steps", std::to_string(steps)});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, StartsWith("lookback: warning: this model is broken on purpose: "));
    const auto file = SafetensorsFile::open(fs::path(small_.run()) / "model.safetensors");
    std::map<std::string, std::string> all;
    for (const auto& name : file.names()) {
      const auto numbers = file.load(name).elements<float>();
      all[name].assign(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
    }
    return all;
  }

  // The names of the weights that a second step leaves as they are.
  std::set<std::string> standing_still(const std::string& fault) {
    const auto before = weights_after(fault, 1);
    std::set<std::string> names;
    for (const auto& [name, bytes] : weights_after(fault, 2)) {
      if (before.at(name) == bytes) names.insert(name);
    }
    return names;
  }

  double validation_loss() const {
    return SmallRun::metrics(small_.run()).back().at("validation_loss");
  }
  double evaluated(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"eval", small_.run(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return SmallRun::json(run_lookback(arguments)).at("loss");
  }

  SmallRun small_;
};

TEST_F(FaultRun, TheOptimizerMovesWhatTheFaultLeavesIt) {
  EXPECT_EQ(standing_still("late_cache").size(), 0U);
  EXPECT_EQ(standing_still("forgotten_by_optimiser"),
            (std::set<std::string>{"model.layers.0.mlp.up_proj.weight"}));
  EXPECT_EQ(standing_still("zero_learning_rate").size(), 20U);
  // Weight decay alone moves what has no gradient, and leaves vectors.
  EXPECT_EQ(
      standing_still("all_gradients_dropped"),
      (std::set<std::string>{
          "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
          "model.layers.1.input_layernorm.weight", "model.layers.1.post_attention_layernorm.weight",
          "model.norm.weight"}));
}

TEST_F(FaultRun, ValidationIsOnWhatTheFaultSays) {
  ASSERT_EQ(train("validation_in_training").code, 0);
  EXPECT_EQ(evaluated(), validation_loss());
  EXPECT_EQ(evaluated({"--data", small_.text(), "--split", "train"}), validation_loss());
  EXPECT_NE(evaluated({"--data", small_.text(), "--split", "validation"}), validation_loss());
  ASSERT_EQ(train("late_cache").code, 0);
  EXPECT_EQ(evaluated({"--data", small_.text(), "--split", "validation"}), validation_loss());
}

TEST_F(FaultRun, TrainingIsOnWhatTheFaultSays) {
  ASSERT_EQ(train("fixed_training_data").code, 0);
  EXPECT_THAT(read_text(fs::path(small_.run()) / "options.toml"), HasSubstr("builtin:fixed"));
  EXPECT_EQ(evaluated(), validation_loss());
}

TEST_F(FaultRun, StoriesWithoutTheirEndsAreReadInTrainingAndEvaluation) {
  small_.model["max_position_embeddings"] = 128;
  write_text(small_.config(), small_.model.dump());
  const auto first_loss = [&](const std::string& fault) {
    EXPECT_EQ(train(fault, {"--data=builtin:stories", "--max-steps=1", "--block-size=128"}).code,
              0);
    return SmallRun::metrics(small_.run()).front().at("loss");
  };
  const auto separated = first_loss("late_cache");
  EXPECT_NE(first_loss("documents_without_separator"), separated) << "the same weights, other data";
  EXPECT_FALSE(SmallRun::metrics(small_.run()).back().contains("floor"));
  EXPECT_EQ(evaluated(), validation_loss());
  EXPECT_NE(evaluated({"--data=builtin:stories"}), validation_loss());
}

TEST_F(FaultRun, WithoutTargetsTheLossIsExactlyZero) {
  ASSERT_EQ(train("all_zero_loss_mask", {"--logging-steps=1"}).code, 0);
  for (const auto& line : SmallRun::metrics(small_.run())) {
    EXPECT_EQ(line.value("loss", 0.0), 0.0);
  }
  EXPECT_GT(validation_loss(), 1);
}

TEST_F(FaultRun, AHiddenNanStopsTheRunAtItsGradient) {
  const auto result = train("hidden_nan");
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("the gradient norm is not finite; "));
}

TEST_F(FaultRun, WhatCannotBeIsRefused) {
  expect_error(train("unmaskd"), 1, "[fault] unknown name unmaskd: the nearest is unmasked");
  const auto refused = train("unmasked_recompute");
  expect_error(refused, 2, "[fault] unmasked_recompute cannot be made in this model: it needs");
  EXPECT_FALSE(fs::exists(small_.run()));
}

TEST(FaultList, HasAVerdictForEach) {
  const auto listed = SmallRun::json(run_lookback({"presets", "--faults", "--json"}));
  std::map<std::string, std::string> verdicts;
  for (const auto& fault : listed.at("faults")) {
    EXPECT_EQ(fault.size(), 3U) << fault;
    verdicts[fault.at("name")] = fault.at("verdict");
  }
  EXPECT_EQ(verdicts.at("unmasked_recompute"), "causal-leak");
  EXPECT_EQ(verdicts.at("late_cache"), "cache-mismatch");
  EXPECT_EQ(verdicts.size(), listed.at("faults").size());
}

}  // namespace
}  // namespace lookback::tests
