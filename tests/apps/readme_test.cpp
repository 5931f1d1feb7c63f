// The commands that README.md shows, run in their order in one folder, with fewer and smaller
// steps.
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

// The arguments of each line `lookback ...` between ```sh and ```.
std::vector<std::vector<std::string>> readme_commands() {
  std::istringstream readme(read_text(source_directory() / "README.md"));
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

TEST(Readme, ItsCommandsWork) {
  const TemporaryDirectory folder;
  const auto commands = readme_commands();
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

}  // namespace
}  // namespace lookback::tests
