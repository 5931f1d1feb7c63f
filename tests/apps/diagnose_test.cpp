// `lookback diagnose` as a user calls it, and what it says when no proof can be made.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/run_curve.h"
#include "apps/model/model_folder.h"
#include "kernels/core/slot.h"
#include "nn/layer/residual_scheme.h"
#include "nn/proof/causal_proof.h"
#include "tests/apps/program_run.h"
#include "tests/apps/small_run.h"
#include "tests/nn/variants.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using Json = nlohmann::json;
namespace testing = lookback::testing;

// An operation that says nothing about what it depends on.
struct UndeclaredCopy {
  kernels::In x;
  kernels::Out y;
};
const kernels::Slot<UndeclaredCopy>& undeclared_copy() {
  static const kernels::Slot<UndeclaredCopy> slot{"undeclared_copy_forward"};
  return slot;
}

class UndeclaredResidual final : public ResidualScheme {
 public:
  using ResidualScheme::ResidualScheme;
  ResidualSum after_attention(const Tensor& layer_input, const Tensor& own,
                              const ForwardPass&) const override {
    return {layer_input, own};
  }
  ResidualSum after_mlp(const Tensor&, const Tensor& stream, const Tensor& own,
                        const ForwardPass&) const override {
    const auto copy = empty(own.shape(), own.dtype(), own.device());
    undeclared_copy()(own.backend(), {.x = own, .y = copy});
    return {stream, copy};
  }
  RecordNeeds needs() const override { return {}; }
};
class UndeclaredKind final : public ResidualKind {
 public:
  std::unique_ptr<ResidualScheme> make(const ChildOf& place, const LlamaConfig&, std::int64_t,
                                       Precision) const override {
    return std::make_unique<UndeclaredResidual>(place);
  }
  std::string_view terms() const override { return "undeclared"; }
};

TEST(Diagnose, NamesTheOperationThatDeclaresNothing) {
  const ResidualSchemes::Add registered{"undeclared",
                                        [] { return std::make_unique<UndeclaredKind>(); }};
  auto config = testing::small_config();
  config.cross_layer_residual = CrossLayerResidual{.source = "undeclared"};
  const auto proof = prove_causal(config, {5});
  EXPECT_FALSE(proof.proved());
  EXPECT_FALSE(proof.leak);
  EXPECT_EQ(
      proof.not_followed,
      "[undeclared_copy_forward] declares no dependency kind (kernels/core/dependency.h): the "
      "taint device cannot follow it");
}

// A small model in a folder.
std::string model_folder(const TemporaryDirectory& folder, const std::string& preset) {
  const auto config = testing::preset_variant(testing::small_config(), preset).config;
  const auto path = folder.path() / preset;
  std::filesystem::create_directory(path);
  save_model(*testing::make_variant(config, DType::f32), path);
  return path.string();
}

Json report_in(const std::filesystem::path& folder) {
  std::ifstream file(folder / "report.json");
  return Json::parse(file);
}

TEST(Diagnose, LeavesAWholeReportAndRepeatsItBitForBit) {
  const TemporaryDirectory folder;
  const auto model = model_folder(folder, "method3.2");
  const auto out = folder.path() / "out";
  const auto first = run_lookback({"diagnose", model, "--json", "--output-dir", out.string()});
  EXPECT_EQ(first.code, 0) << first.err;
  const auto report = Json::parse(first.out);
  EXPECT_EQ(report, report_in(out));
  EXPECT_TRUE(std::filesystem::exists(out / "report.html"));
  EXPECT_EQ(report.at("verdict"), "healthy");
  EXPECT_EQ(report.at("statement"), "proved");
  EXPECT_EQ(report.at("leak"), nullptr);
  EXPECT_EQ(report.at("findings"), Json::array());
  for (const auto* key : {"checks", "inert", "ladder", "seed", "model", "versions"}) {
    EXPECT_TRUE(report.contains(key)) << key;
  }
  const auto again = run_lookback({"diagnose", model, "--json", "--output-dir", out.string()});
  EXPECT_EQ(again.out, first.out);
}

TEST(Diagnose, ExitCodeThreeAndAPlaceForALeak) {
  const TemporaryDirectory folder;
  const auto model = model_folder(folder, "method1");
  const auto out = (folder.path() / "out").string();
  const auto run = run_lookback(
      {"diagnose", model, "--fault", "unmasked_recompute", "--json", "--output-dir", out});
  EXPECT_EQ(run.code, 3) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("verdict"), "causal-leak");
  EXPECT_EQ(report.at("statement"), "refuted");
  EXPECT_EQ(report.at("leak").at("module"), "model.layers.1.recompute.0.self_attn");
  EXPECT_EQ(report.at("leak").at("layer"), 1);
  EXPECT_EQ(report.at("leak").at("recomputed_layer"), 0);
  EXPECT_EQ(report.at("leak").at("target"), 0);
  EXPECT_EQ(report.at("leak").at("source"), 1);
  const auto& ladder = report.at("ladder");
  EXPECT_EQ(ladder.front().at("verdict"), "healthy");
  EXPECT_EQ(ladder.back().at("verdict"), "causal-leak");
}

struct Refused {
  std::vector<std::string> arguments;
  int exit_code;
  std::string message;
};

TEST(Diagnose, BadInputGetsOneLineAndNoReport) {
  const TemporaryDirectory folder;
  const auto model = model_folder(folder, "llama");
  const auto empty_folder = folder.path() / "empty";
  std::filesystem::create_directory(empty_folder);
  const auto out = (folder.path() / "out").string();
  const std::vector<Refused> cases = {
      {{empty_folder.string()}, 1, "config.json: cannot be read"},
      {{model, "--block-size", "33"}, 1, "must be at most max_position_embeddings=32"},
      {{model, "--fault", "unmasket"}, 1, "unmasked"},
      {{model, "--fault", "unmasked_recompute"}, 2, "cannot be made in this model"},
      {{model, "--quick", "--full"}, 2, "--quick and --full exclude each other"},
      {{model, "--config", "smoke"}, 2, "give one of them"},
      {{model, "--preset", "method1"}, 2, "a folder's config names its variant"},
      {{model, "--seeds", "3"}, 2, "--seeds goes with --table"},
      {{model, "--subject", "llama"}, 2, "--subject goes with --table"},
      {{"--table", "--subject", "alibbi"}, 2, "--subject alibbi: no preset and no fault"},
      {{}, 2, "which model?"}};
  for (const auto& [given, exit_code, message] : cases) {
    std::vector<std::string> arguments{"diagnose"};
    arguments.insert(arguments.end(), given.begin(), given.end());
    arguments.insert(arguments.end(), {"--output-dir", out});
    const auto run = run_lookback(arguments);
    expect_error(run, exit_code, message);
    EXPECT_FALSE(std::filesystem::exists(out)) << message;
  }
}

// Seen before the work, not after it.
TEST(Diagnose, FoldersThatCannotBeMade) {
  const SmallRun small;
  const auto diagnose = [&](const std::string& out) {
    return run_lookback({"diagnose", "--config", small.config(), "--quick", "--output-dir", out});
  };
  expect_error(diagnose(small.text()), 2, "it is there, and is no folder");
  expect_error(diagnose(small.text() + "/x"), 1, "text.txt/x: cannot be written: Not a directory");
  expect_error(diagnose(""), 2, "--output-dir is empty: it must name a folder");
}

TEST(RunCurve, NamesAPlateauAtAKnownLevel) {
  const std::vector<KnownLevel> levels{{4.0, "four"}, {2.0, "two"}};
  const std::vector<double> stands{5, 4, 3, 2.01, 1.99, 2.0, 2.005, 1.995};
  EXPECT_EQ(plateau_of(stands, levels, 0.03)->meaning, "two");
  const std::vector<double> falls{5, 4, 3, 2.2, 2.1, 2.0, 1.9, 1.8};
  EXPECT_FALSE(plateau_of(falls, levels, 0.03));
  EXPECT_FALSE(plateau_of({2, 2}, levels, 0.03));
}

TEST(RunCurve, ReadsBackWhatTrainWrites) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "metrics.jsonl";
  std::ofstream(path)
      << R"({"step":10,"loss":2.5,"accuracy":0.5,"grad_norm":1,"learning_rate":0.1})"
      << "\n"
      << R"({"step":10,"validation_loss":2.25,"validation_accuracy":0.25})"
      << "\n";
  const auto curve = read_run_curve(path);
  ASSERT_EQ(curve.training.size(), 1u);
  ASSERT_EQ(curve.validation.size(), 1u);
  EXPECT_EQ(curve.training[0].loss, 2.5);
  EXPECT_EQ(curve.validation[0].loss, 2.25);
  EXPECT_FALSE(curve.validation[0].floor);
  std::ofstream(path, std::ios::app) << "{\n";
  EXPECT_EQ(read_run_curve(path).training.size(), 1u) << "with a warning";
  std::ofstream(path, std::ios::app) << R"({"step":20,"loss":"x"})"
                                     << "\n";
  EXPECT_THROW(read_run_curve(path), Error);
}

}  // namespace
}  // namespace lookback::tests
