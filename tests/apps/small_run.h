// A folder with a model and a text so small that training takes moments.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {

class SmallRun {
 public:
  static constexpr int block_size = 16;

  SmallRun() {
    write_text(config(), model.dump());
    std::string words;
    for (int i = 0; i < 400; ++i) words += "so " + std::to_string(i * i % 97) + " it goes; ";
    write_text(text(), words);
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::string config() const { return folder_.path() / "config.json"; }
  std::string text() const { return folder_.path() / "text.txt"; }
  std::string run() const { return folder_.path() / "run"; }

  // lookback train on them, into run(); of a flag given twice the last one counts.
  ProgramResult train(const std::vector<std::string>& more = {},
                      const ProgramOptions& options = {}) const {
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          config(),
                                          "--data",
                                          text(),
                                          "--output-dir",
                                          run(),
                                          "--max-steps",
                                          "6",
                                          "--batch-size",
                                          "2",
                                          "--block-size",
                                          std::to_string(block_size),
                                          "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments, options);
  }

  static nlohmann::json json(const ProgramResult& result) {
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  // The lines of a run's metrics.jsonl.
  static std::vector<nlohmann::json> metrics(const std::filesystem::path& run) {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(read_text(run / "metrics.jsonl"));
    for (std::string line; std::getline(stream, line);)
      lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  nlohmann::json model = {{"model_type", "llama"},      {"hidden_size", 16},
                          {"intermediate_size", 32},    {"num_hidden_layers", 2},
                          {"num_attention_heads", 4},   {"num_key_value_heads", 2},
                          {"vocab_size", 256},          {"max_position_embeddings", 64},
                          {"tie_word_embeddings", true}};

 private:
  TemporaryDirectory folder_;
};

}  // namespace lookback::tests
