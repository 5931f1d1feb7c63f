// Variants through the program: whole runs, what they write down, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "apps/diagnosis/faults/fault.h"
#include "runtime/safetensors.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Numbers = std::vector<double>;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int layers = 3;

class VariantRun : public testing::Test {
 protected:
  VariantRun() {
    small_.model["num_hidden_layers"] = layers;
    write_text(small_.config(), small_.model.dump());
  }

  ProgramResult train(const std::string& preset, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--preset", preset, "--overwrite", "--threads=1"});
    return small_.train(more);
  }
  std::string weights() const { return read_text(weights_path()); }
  fs::path weights_path() const { return fs::path(small_.run()) / "model.safetensors"; }
  Json evaluation() const { return SmallRun::metrics(small_.run()).back(); }

  SmallRun small_;
};

TEST_F(VariantRun, PresetsAreListedWithWhatTheyAre) {
  const std::vector<std::string> names{"llama",
                                       "method1",
                                       "method1-replace",
                                       "method1-simple",
                                       "method2",
                                       "method2-replace",
                                       "method3.1",
                                       "method3.2",
                                       "method4.1",
                                       "method4.2",
                                       "method5.1",
                                       "method5.2",
                                       "method5.3",
                                       "method5.4",
                                       "method5.5",
                                       "method5.5-share",
                                       "method5.6",
                                       "method5.7",
                                       "method5.8",
                                       "stored1",
                                       "stored2",
                                       "stored3",
                                       "fault-double-softmax",
                                       "fault-double-softmax-logits",
                                       "fault-shifted-labels",
                                       "fault-unmasked",
                                       "fault-unmasked-recompute",
                                       "fault-unregistered"};
  const auto listed = SmallRun::json(run_lookback({"presets", "--json"}));
  std::vector<std::string> found;
  std::set<Json> configs;
  for (const auto& preset : listed.at("presets")) {
    found.push_back(preset.at("name"));
    configs.insert(preset.at("config"));
    EXPECT_GT(preset.at("description").get<std::string>().size(), 10U) << preset;
  }
  EXPECT_THAT(found, testing::IsSupersetOf(names));
  const auto rank = [](const std::string& name) {
    return std::pair(name == "llama" ? 0 : name.starts_with("fault-") ? 2 : 1, name);
  };
  EXPECT_TRUE(std::ranges::is_sorted(found, {}, rank));
  EXPECT_EQ(configs.size(), found.size()) << "each is another model";
  EXPECT_EQ(listed.at("faults").size(), Faults::names().size());
  for (const auto& fault : listed.at("faults")) {
    EXPECT_EQ(fault.size(), 3U) << fault;
    EXPECT_FALSE(fault.at("verdict").get<std::string>().empty()) << fault;
  }
  const auto text = run_lookback({"presets"}).out;
  for (const auto& name : found) EXPECT_THAT("\n" + text, HasSubstr("\n" + name + "  "));
  EXPECT_EQ(std::ranges::count(text, '\n'), static_cast<std::ptrdiff_t>(found.size()));
}

TEST_F(VariantRun, ConfigSaysWhichVariantItIs) {
  ASSERT_EQ(train("method4.2", {"--max-steps=1"}).code, 0);
  const auto config = Json::parse(read_text(fs::path(small_.run()) / "config.json"));
  EXPECT_EQ(config.at("cross_layer_residual"), (Json{{"site", "attention"},
                                                     {"source", "recomputed"},
                                                     {"weights", "learned"},
                                                     {"stream", "add"},
                                                     {"include_self", true}}));
  EXPECT_FALSE(config.contains("fault"));
  EXPECT_FALSE(config.contains("score_accumulation"));
}

TEST_F(VariantRun, EvalRepeatsTheLastLossExactly) {
  for (const auto* preset : {"method1", "method4.2", "stored2", "method5.4"}) {
    for (const auto* record : {"qk", "weights"}) {
      ASSERT_EQ(train(preset, {"--attention-storage", record, "--max-steps=2"}).code, 0);
      const auto evaluated =
          run_lookback({"eval", small_.run(), "--json", "--threads=1", "--device=cpu"});
      ASSERT_EQ(evaluated.code, 0) << evaluated.err;
      EXPECT_EQ(evaluated.err, "") << "a healthy model is no reason to warn";
      EXPECT_EQ(SmallRun::json(evaluated).at("loss"), evaluation().at("validation_loss"))
          << preset << " " << record;
    }
  }
}

TEST_F(VariantRun, GradientCheckpointingChangesNoBit) {
  for (const auto* preset : {"method3.2", "stored1", "method5.6"}) {
    for (const auto* record : {"--attention-storage=qk", "--attention-storage=weights"}) {
      ASSERT_EQ(train(preset, {record, "--max-steps=3"}).code, 0);
      const auto kept = weights();
      ASSERT_EQ(train(preset, {record, "--max-steps=3", "--gradient-checkpointing"}).code, 0);
      EXPECT_EQ(weights(), kept) << preset << record;
    }
  }
}

TEST_F(VariantRun, GeneratesWithACacheOfItsOwn) {
  // Keys and values of 3 layers, and what 3 pairs of layers are worth, 2 heads of 4 numbers.
  const std::map<std::string, int> rows{{"method1", 2 * 3 + 3}, {"stored1", 6}, {"method5.1", 6}};
  for (const auto& [preset, count] : rows) {
    ASSERT_EQ(train(preset, {"--max-steps=12", "--learning-rate=0.02"}).code, 0);
    const auto generate = [&](const std::vector<std::string>& more) {
      std::vector<std::string> arguments{"generate",        small_.run(),         "--prompt=so it",
                                         "--json",          "--temperature=0",    "--threads=1",
                                         "--dtype=float64", "--max-new-tokens=16"};
      arguments.insert(arguments.end(), more.begin(), more.end());
      return SmallRun::json(run_lookback(arguments));
    };
    const auto cached = generate({});
    EXPECT_EQ(cached.at("tokens"), generate({"--no-cache"}).at("tokens")) << preset;
    EXPECT_EQ(cached.at("cache_bytes_per_token"), count * 2 * 4 * 8) << preset;
  }
}

// What learned weights and scales come to, from the parameters of a layer, by their last names.
Numbers softmax(const Numbers& x) {
  Numbers y;
  for (const double each : x) y.push_back(std::exp(each));
  const double sum = std::accumulate(y.begin(), y.end(), 0.0);
  for (double& each : y) each /= sum;
  return y;
}

struct Learned {
  std::string module;                   // below model.layers.{l}.
  std::vector<std::string> parameters;  // below the module
  bool on_layer_zero;
  // m terms, parameters in their order -> the numbers that take effect; dk is 4.
  std::function<Numbers(std::size_t m, const std::vector<Numbers>& parameters)> effect;
};

Numbers each_of(std::size_t m, const std::function<double(std::size_t)>& value) {
  Numbers all;
  for (std::size_t i = 0; i < m; ++i) all.push_back(value(i));
  return all;
}

std::map<std::string, Learned> learned_presets() {
  const auto shares = [](std::size_t, const auto& p) { return softmax(p[0]); };
  const std::string scaling = "self_attn.modified_scaling.";
  return {
      {"method3.2", {"modified_residual_mlp.", {"layer_weights"}, false, shares}},
      {"method4.2", {"modified_residual_attn.", {"layer_weights"}, false, shares}},
      {"stored3", {"", {"mlp_residual_weights"}, false, shares}},
      {"method5.4",
       {scaling,
        {"a", "b"},
        true,
        [](std::size_t m, const auto& p) {
          const double s = std::pow(4, -p[0][0]) * std::pow(m, -p[1][0]);
          return each_of(m, [=](std::size_t) { return s; });
        }}},
      {"method5.5",
       {scaling,
        {"log_a_params"},
        true,
        [](std::size_t m, const auto& p) {
          return each_of(m, [&](std::size_t i) { return 1 / (std::exp(p[0][i]) * 2); });
        }}},
      {"method5.6",
       {scaling,
        {"a_params", "b_params"},
        true,
        [](std::size_t m, const auto& p) {
          return each_of(m, [&](std::size_t i) { return 1 / (p[0][i] * std::pow(4, p[1][i])); });
        }}},
      {"method5.7",
       {scaling,
        {"a_params"},
        true,
        [](std::size_t m, const auto& p) {
          return each_of(m, [&](std::size_t i) { return 1 / p[0][i]; });
        }}},
      {"method5.8",
       {scaling,
        {"a"},
        true,
        [](std::size_t m, const auto& p) {
          return each_of(m, [&](std::size_t) { return std::pow(4, -p[0][0]); });
        }}},
      {"method5.5-share",
       {scaling,
        {"score_params"},
        true,
        [](std::size_t m, const auto& p) {
          const auto share = softmax(p[0]);
          return each_of(m, [&](std::size_t i) { return static_cast<double>(m) * share[i] / 2; });
        }}},
  };
}

void expect_numbers(const Json& got, const Numbers& expected, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got.at(i).get<double>(), expected[i], 1e-15) << what;
  }
}

TEST_F(VariantRun, WhatIsLearnedIsWrittenDownAsItTakesEffect) {
  for (const auto& [preset, learned] : learned_presets()) {
    // In float64, so that the numbers are exact; first as they begin.
    ASSERT_EQ(train(preset, {"--dtype=float64", "--learning-rate=0", "--max-steps=1"}).code, 0);
    const bool scales = learned.on_layer_zero;
    const auto initial = evaluation().at("learned");
    ASSERT_EQ(train(preset, {"--dtype=float64", "--learning-rate=0.05", "--eval-steps=3"}).code, 0);
    const auto lines = SmallRun::metrics(small_.run());
    EXPECT_EQ(
        std::ranges::count_if(lines, [](const Json& line) { return line.contains("learned"); }),
        std::ranges::count_if(lines,
                              [](const Json& line) { return line.contains("validation_loss"); }));
    const auto trained = evaluation().at("learned");
    EXPECT_NE(trained, initial) << preset;
    const auto file = SafetensorsFile::open(weights_path());
    std::size_t names = 0;
    for (int l = scales ? 0 : 1; l < layers; ++l) {
      const auto module = "model.layers." + std::to_string(l) + "." + learned.module;
      const auto m = static_cast<std::size_t>(l) + 1;
      std::vector<Numbers> parameters;
      for (const auto& name : learned.parameters) {
        const auto tensor = file.load(module + name);
        const auto numbers = tensor.elements<double>();
        parameters.emplace_back(numbers.begin(), numbers.end());
      }
      for (const auto& name : learned.parameters) {
        // 5.4 begins as 1 / (sqrt(dk) m), the other scales as 1 / sqrt(dk), shares as 1 / m.
        const double start = preset == "method5.4" ? 0.5 / static_cast<double>(m)
                             : scales              ? 0.5
                                                   : 1 / static_cast<double>(m);
        expect_numbers(initial.at(module + name), Numbers(m, start), preset + " at first");
        expect_numbers(trained.at(module + name), learned.effect(m, parameters), preset);
        ++names;
      }
    }
    EXPECT_EQ(initial.size(), names) << preset;
    EXPECT_EQ(trained.size(), names) << preset;
  }
  ASSERT_EQ(train("method1", {"--max-steps=1"}).code, 0);
  EXPECT_FALSE(evaluation().contains("learned"));
}

TEST_F(VariantRun, AFaultIsAnnounced) {
  const auto warning = StartsWith("lookback: warning: this model is broken on purpose: ");
  for (const auto* preset : {"fault-unmasked-recompute", "fault-double-softmax",
                             "fault-unregistered", "fault-unmasked", "fault-shifted-labels"}) {
    const auto result = train(preset, {"--max-steps=1"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, warning) << preset;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1);
    EXPECT_THAT(run_lookback({"eval", small_.run()}).err, warning) << preset;
    EXPECT_THAT(run_lookback({"generate", small_.run(), "--prompt=so", "--max-new-tokens=1"}).err,
                warning);
    const auto kept = weights();  // a fault has one way to keep attention
    ASSERT_EQ(train(preset, {"--max-steps=1", "--attention-storage=weights"}).code, 0);
    EXPECT_EQ(weights(), kept);
  }
  EXPECT_EQ(train("method1", {"--max-steps=1"}).err, "");
}

TEST_F(VariantRun, KeptWeightsMustFitTheMemory) {
  // 3 layers, 10^9 sequences, 4 heads, 16 x 16 float32.
  const std::string bytes = "take 12288000000000 bytes";
  const auto kept = train("method1", {"--attention-storage=weights", "--batch-size=1000000000"});
  expect_error(kept, 1, bytes);
  EXPECT_THAT(kept.err, HasSubstr("--attention-storage qk holds none of them"));
  const auto fault = train("fault-unmasked", {"--batch-size=1000000000"});
  EXPECT_EQ(fault.code, 1);
  EXPECT_THAT(fault.err, HasSubstr(bytes));
  EXPECT_THAT(fault.err, HasSubstr("a model with a fault keeps them; take fewer tokens"));
  EXPECT_FALSE(fs::exists(small_.run()));
}

class VariantWeights : public VariantRun {
 protected:
  // The run's model.safetensors, changed.
  void edit(const std::function<void(std::map<std::string, Tensor>&)>& change) const {
    std::map<std::string, Tensor> tensors;
    {
      const auto file = SafetensorsFile::open(weights_path());
      for (const auto& name : file.names()) tensors.emplace(name, file.load(name));
    }
    change(tensors);
    write_safetensors(weights_path(), NamedTensors(tensors.begin(), tensors.end()));
    remove_checksums(small_.run());
  }
  // The run's config.json as another preset's.
  void becomes(const std::string& preset) const {
    auto config = Json::parse(read_text(fs::path(small_.run()) / "config.json"));
    for (const auto* key : {"cross_layer_residual", "score_accumulation"}) config.erase(key);
    const auto listed = SmallRun::json(run_lookback({"presets", "--json"}));
    for (const auto& each : listed.at("presets")) {
      if (each.at("name") == preset) config.update(each.at("config"));
    }
    write_text(fs::path(small_.run()) / "config.json", config.dump());
    remove_checksums(small_.run());
  }
  ProgramResult eval() const { return run_lookback({"eval", small_.run(), "--threads=1"}); }
};

TEST_F(VariantWeights, OfTheWrongLengthAreRefused) {
  const std::string name = "model.layers.2.modified_residual_mlp.layer_weights";
  ASSERT_EQ(train("method3.2", {"--max-steps=1"}).code, 0);
  edit([&](auto& tensors) { tensors[name] = zeros({2}, DType::f32); });
  expect_error(eval(), 1, "mis-shaped: " + name + " is (2,), must be (3,)");

  const std::string scale = "model.layers.1.self_attn.modified_scaling.a_params";
  ASSERT_EQ(train("method5.7", {"--max-steps=1"}).code, 0);
  edit([&](auto& tensors) { tensors[scale] = zeros({1, 2}, DType::f32); });
  expect_error(eval(), 1, "mis-shaped: " + scale + " is (1, 2), must be (2,)");
}

TEST_F(VariantWeights, OfAnotherVariantAreRecognized) {
  // What the weights are, and the config they come with.
  const std::vector<std::pair<std::string, std::string>> pairs{
      {"method3.2", "llama"},     {"method3.2", "method4.2"},       {"method4.2", "method3.2"},
      {"stored3", "method3.2"},   {"llama", "method3.2"},           {"method5.4", "method5.8"},
      {"method5.5", "method5.1"}, {"method5.5-share", "method5.5"}, {"method5.6", "method5.7"},
      {"method5.7", "method5.6"}, {"method5.8", "llama"},
  };
  for (const auto& [weights, config] : pairs) {
    ASSERT_EQ(train(weights, {"--max-steps=1"}).code, 0);
    becomes(config);
    expect_error(eval(), 1, "by their names the weights are those of preset " + weights);
  }
  // method1's weights bear the plain Llama's names: nothing tells them apart.
  ASSERT_EQ(train("method1", {"--max-steps=1"}).code, 0);
  becomes("llama");
  EXPECT_EQ(eval().code, 0);
}

}  // namespace
}  // namespace lookback::tests
