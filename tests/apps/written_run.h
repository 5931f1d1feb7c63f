// A run's folder, written by a test and not by train.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/apps/program_run.h"

namespace lookback::tests {

struct WrittenRun {
  std::vector<std::string> metrics = {};  // lines
  std::string options = "max_steps = 20\ndata = \"a.txt\"\ntokenizer = \"bytes\"\n";
  std::string config = R"({"vocab_size": 256, "hidden_size": 16})";

  void write(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    std::string lines;
    for (const auto& line : metrics) lines += line + "\n";
    write_text(folder / "metrics.jsonl", lines);
    write_text(folder / "options.toml", options);
    write_text(folder / "config.json", config);
  }
};

// Two lines about training and one evaluation after step 20, with this loss.
inline WrittenRun ended_run(double validation_loss) {
  return {.metrics = {R"({"step":10,"loss":3.5,"tokens":1000,"tokens_per_second":500,"seconds":2})",
                      R"({"step":20,"loss":2.5,"tokens":2000,"tokens_per_second":250,"seconds":6})",
                      R"({"step":20,"validation_loss":)" + std::to_string(validation_loss) + "}"}};
}

}  // namespace lookback::tests
