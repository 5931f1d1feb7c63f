// The program with --device cuda beside --device cpu, in this process: a small model from training
// to diagnosis.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "apps/cli/program.h"
#include "tests/apps/program_run.h"
#include "tests/gpu.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ProgramOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = lookback::testing::why_no_gpu(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    const json config{{"architectures", {"LlamaForCausalLM"}},
                      {"vocab_size", 256},
                      {"hidden_size", 16},
                      {"intermediate_size", 24},
                      {"num_hidden_layers", 2},
                      {"num_attention_heads", 2},
                      {"num_key_value_heads", 1},
                      {"head_dim", 8},
                      {"max_position_embeddings", 24},
                      {"rms_norm_eps", 1e-5},
                      {"tie_word_embeddings", false}};
    write_text(config_file_, config.dump());
    std::string text;
    std::mt19937 random(1);
    for (int i = 0; i < 400; ++i) text += "line " + std::to_string(random() % 100000) + "\n";
    write_text(data_file_, text);
  }

  // The exit code; what it prints is on the test's own stdout.
  static int run(const std::vector<std::string>& arguments) {
    return run_program("test", arguments);
  }

  fs::path train(const std::string& device, const std::vector<std::string>& more = {}) const {
    const auto run_folder = folder_.path() / (device + std::to_string(more.size()));
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          config_file_,
                                          "--preset",
                                          "method1",
                                          "--data",
                                          data_file_,
                                          "--device",
                                          device,
                                          "--max-steps",
                                          "4",
                                          "--batch-size",
                                          "2",
                                          "--block-size",
                                          "12",
                                          "--logging-steps",
                                          "2",
                                          "--eval-steps",
                                          "4",
                                          "--eval-batches",
                                          "1",
                                          "--quiet",
                                          "--output-dir",
                                          run_folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run(arguments), 0);
    return run_folder;
  }

  static std::vector<double> numbers_of(const fs::path& run_folder, const std::string& name) {
    std::vector<double> numbers;
    std::ifstream lines(run_folder / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      const auto object = json::parse(line);
      if (object.contains(name)) numbers.push_back(object[name]);
    }
    return numbers;
  }

  TemporaryDirectory folder_;
  std::string config_file_ = folder_.path() / "config.json";
  std::string data_file_ = folder_.path() / "text.txt";
};

TEST_F(ProgramOnGpu, TrainsAsOnTheCpu) {
  const auto here = train("cpu"), there = train("cuda");
  for (const auto* name : {"loss", "grad_norm", "validation_loss", "accuracy"}) {
    const auto expected = numbers_of(here, name), ours = numbers_of(there, name);
    ASSERT_EQ(ours.size(), expected.size()) << name;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_NEAR(ours[i], expected[i], 1e-4 * std::max(1.0, expected[i])) << name << i;
    }
  }
}

TEST_F(ProgramOnGpu, EvaluatesSamplesInspectsAndDiagnoses) {
  const std::string model = train("cuda");
  EXPECT_EQ(run({"eval", model, "--data", data_file_, "--block-size", "12", "--device", "cuda"}),
            0);
  EXPECT_EQ(
      run({"generate", model, "--prompt", "line", "--max-new-tokens", "4", "--device", "cuda"}), 0);
  EXPECT_EQ(run({"inspect", model, "--prompt", "line 4", "--output-dir", folder_.path() / "look",
                 "--device", "cuda"}),
            0);
  // The plain model: each step of a variant's ladder would be diagnosed as well.
  EXPECT_EQ(run({"diagnose", "--config", config_file_, "--data", data_file_, "--block-size", "12",
                 "--quick", "--device", "cuda", "--output-dir", folder_.path() / "verdict"}),
            0);
  const auto report = json::parse(read_text(folder_.path() / "verdict" / "report.json"));
  EXPECT_EQ(report["statement"], "proved");
}

TEST_F(ProgramOnGpu, ADeviceThatIsNotThereIsRefused) {
  EXPECT_EQ(run({"eval", "nowhere", "--device", "cuda:99"}), 2);
}

}  // namespace
}  // namespace lookback::tests
