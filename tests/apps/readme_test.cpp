// The commands that README.md and the tours in docs/ show, run in their order in one folder, with
// fewer and smaller steps.
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

// The arguments of each line `lookback ...` between ```sh and ```.
std::vector<std::vector<std::string>> commands_of(const std::string& document) {
  std::istringstream readme(read_text(source_directory() / document));
  std::vector<std::vector<std::string>> commands;
  bool shown = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) shown = line == "```sh";
    if (!shown || !line.starts_with("lookback ")) continue;
    std::vector<std::string> words = {""};
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ' ' && !quoted) {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    commands.emplace_back(words.begin() + 1, words.end());
  }
  return commands;
}

void run_commands_of(const std::string& document) {
  const TemporaryDirectory folder;
  const auto commands = commands_of(document);
  ASSERT_GE(commands.size(), 4u);
  for (auto arguments : commands) {
    if (arguments[0] == "train") {
      for (const char* word : {"--max-steps", "2", "--batch-size", "1", "--block-size", "64"}) {
        arguments.emplace_back(word);
      }
    }
    const auto result = run_lookback(arguments, {.directory = folder.path()});
    EXPECT_EQ(result.code, 0) << arguments[0] << ": " << result.err;
    EXPECT_FALSE(result.out.empty()) << arguments[0];
  }
}

TEST(Readme, ItsCommandsWork) { run_commands_of("README.md"); }

TEST(Readme, TheCommandsOfTheTourOfInspectWork) { run_commands_of("docs/inspecting-gradients.md"); }

TEST(Readme, TheCommandsThatCompareRunsWork) { run_commands_of("docs/comparing-runs.md"); }

}  // namespace
}  // namespace lookback::tests
