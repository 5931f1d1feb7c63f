// The second opinion against every reference file that tests/golden/make.sh wrote with PyTorch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/reference/model.h"
#include "nn/llama/config_file.h"
#include "nn/llama/variant_of_weights.h"
#include "runtime/safetensors.h"
#include "tests/autograd/op_case.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

// The files of models without a fault: the reference makes none. Nor has it the old names of
// parameters, which loading translates. By their names: a file is not read to name its test.
std::vector<std::string> names_of_files() {
  std::vector<std::string> names;
  for (const auto& path : reference_files()) {
    const auto name = path.stem().string();
    if (!name.starts_with("fault-") && !name.starts_with("older-")) names.push_back(name);
  }
  return names;
}

reference::Weights weights_of(const SafetensorsFile& file) {
  reference::Weights all;
  for (const auto& name : file.names()) {
    if (!name.starts_with("param.")) continue;
    const auto& shape = file.info(name).shape;
    all.set(name.substr(6), {.shape = {shape.begin(), shape.end()},
                             .values = lookback::testing::to_doubles(file.load(name))});
  }
  return all;
}

std::vector<std::vector<std::int64_t>> sequences_of(const SafetensorsFile& file) {
  const auto length = static_cast<std::size_t>(file.info("input_ids").shape[1]);
  std::vector<std::vector<std::int64_t>> all;
  for (const double token : lookback::testing::to_doubles(file.load("input_ids"))) {
    if (all.empty() || all.back().size() == length) all.emplace_back();
    all.back().push_back(static_cast<std::int64_t>(token));
  }
  return all;
}

class Reference : public ::testing::TestWithParam<std::string> {
 protected:
  std::vector<double> values(const std::string& name) const {
    return lookback::testing::to_doubles(file_.load(name));
  }

  // Those of a whole batch are expected at `row` of it.
  void expect_near(std::span<const double> ours, const std::string& name, std::size_t part,
                   std::size_t parts) const {
    if (!file_.contains(name)) return;
    const auto theirs = values(name);
    ASSERT_EQ(ours.size() * parts, theirs.size()) << name;
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const double expected = theirs[part * ours.size() + i];
      worst = std::max(worst, std::abs(ours[i] - expected));
      largest = std::max(largest, std::abs(expected));
    }
    EXPECT_LE(worst, tolerance() * std::max(1.0, largest)) << name << ", sequence " << part;
  }

  // The config in the keys of every model, without those that compute nothing.
  std::string own_keys() const {
    auto config = config_for_weights(parse_llama_config(file_.metadata().at("config"), GetParam()),
                                     file_.names());
    config.carried.clear();
    return to_json_in_own_keys(config);
  }

  // Of files in double; those in single are rounded, and transformers takes norms in single.
  double tolerance() const {
    const bool in_double =
        file_.info("out.logits").dtype == "F64" && !GetParam().starts_with("transformers");
    return in_double ? 1e-11 : 2e-5;
  }

  const SafetensorsFile file_ = SafetensorsFile::open(source_directory() / "tests" / "golden" /
                                                      (GetParam() + ".safetensors"));
  const reference::Config config_ = reference::read_config(own_keys());
};

TEST_P(Reference, ComputesTheFile) {
  const auto weights = weights_of(file_);
  const auto all = sequences_of(file_);
  double loss = 0, auxiliary = 0;
  for (std::size_t b = 0; b < all.size(); ++b) {
    const auto run = reference::run(config_, weights, all[b]);
    expect_near(run.logits.values(), "out.logits", b, all.size());
    for (std::size_t layer = 0; layer < run.hidden.size(); ++layer) {
      expect_near(run.hidden[layer].values(), "trace.hidden." + std::to_string(layer), b,
                  all.size());
    }
    for (std::size_t layer = 0; layer < run.looks.size(); ++layer) {
      const auto& look = run.looks[layer];
      std::vector<double> heads;
      for (const auto& head : look.weights)
        heads.insert(heads.end(), head.values().begin(), head.values().end());
      expect_near(heads, "trace.attn." + std::to_string(layer), b, all.size());
      expect_near(look.gates.values(), "trace.gates." + std::to_string(layer), b, all.size());
    }
    std::vector<std::int64_t> targets(all[b].begin() + 1, all[b].end());
    loss +=
        reference::sum_of_losses(run, targets) / static_cast<double>(targets.size() * all.size());
    auxiliary += run.auxiliary_loss / static_cast<double>(all.size());
  }
  expect_near(std::vector{loss}, "out.loss", 0, 1);
  expect_near(std::vector{auxiliary}, "out.auxiliary_loss", 0, 1);
}

// With the budget of the files that were decoded token by token, and `decode.logits` in place of
// those of the whole sequence.
TEST(ReferenceWithABudget, ComputesTheFilesThatDecode) {
  int compared = 0;
  for (const auto& path : reference_files()) {
    const auto file = SafetensorsFile::open(path);
    if (!file.contains("decode.logits")) continue;
    const auto cache = nlohmann::json::parse(file.metadata().at("cache"));
    if (cache.at("name") == "full" || cache.at("prompt") != 1) continue;
    SCOPED_TRACE(path.string());
    auto config = reference::read_config(
        to_json_in_own_keys(parse_llama_config(file.metadata().at("config"), path.string())));
    config.budget = {.policy = cache.at("name"),
                     .sinks = cache.at("sinks"),
                     .recent = cache.at("recent"),
                     .heavy = cache.at("heavy")};
    const auto expected = lookback::testing::to_doubles(file.load("decode.logits"));
    std::vector<double> found;
    for (const auto& tokens : sequences_of(file)) {
      const auto run = reference::run(config, weights_of(file), tokens);
      found.insert(found.end(), run.logits.values().begin(), run.logits.values().end());
    }
    ASSERT_EQ(found.size(), expected.size());
    const double tolerance = file.info("decode.logits").dtype == "F64" ? 1e-11 : 2e-5;
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], tolerance) << i;
    ++compared;
  }
  EXPECT_GE(compared, 4);
}

std::string test_name(const ::testing::TestParamInfo<std::string>& instance) {
  auto name = instance.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Reference, ::testing::ValuesIn(names_of_files()), test_name);

}  // namespace
}  // namespace lookback::tests
