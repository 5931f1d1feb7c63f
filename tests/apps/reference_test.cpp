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

// The files of models without a fault: the reference makes none.
std::vector<std::string> names_of_files() {
  std::vector<std::string> names;
  for (const auto& path : reference_files()) {
    const auto file = SafetensorsFile::open(path);
    const auto name = path.stem().string();
    const auto healthy = !nlohmann::json::parse(file.metadata().at("config")).contains("fault");
    const bool old_names = name.starts_with("older-");  // of parameters, which loading translates
    if (healthy && !old_names && file.contains("out.logits")) names.push_back(name);
  }
  return names;
}

class Reference : public ::testing::TestWithParam<std::string> {
 protected:
  std::vector<double> values(const std::string& name) const {
    return lookback::testing::to_doubles(file_.load(name));
  }

  reference::Weights weights() const {
    reference::Weights all;
    for (const auto& name : file_.names()) {
      if (!name.starts_with("param.")) continue;
      const auto& shape = file_.info(name).shape;
      all.set(name.substr(6), {.shape = {shape.begin(), shape.end()}, .values = values(name)});
    }
    return all;
  }

  std::vector<std::vector<std::int64_t>> sequences() const {
    const auto length = static_cast<std::size_t>(file_.info("input_ids").shape[1]);
    std::vector<std::vector<std::int64_t>> all;
    for (const double token : values("input_ids")) {
      if (all.empty() || all.back().size() == length) all.emplace_back();
      all.back().push_back(static_cast<std::int64_t>(token));
    }
    return all;
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
  const auto weights = this->weights();
  const auto all = sequences();
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

std::string test_name(const ::testing::TestParamInfo<std::string>& instance) {
  auto name = instance.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Reference, ::testing::ValuesIn(names_of_files()), test_name);

}  // namespace
}  // namespace lookback::tests
