#include "tests/python/python_run.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string python() {
  const char* chosen = std::getenv("LOOKBACK_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : "python3";
}

struct Output {
  int status;
  std::string text;
};

Output run(const std::string& command) {
  const auto quiet =
      "HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error PYTHONWARNINGS=ignore OMP_NUM_THREADS=1 " +
      command;
  std::FILE* pipe = popen(quiet.c_str(), "r");
  if (pipe == nullptr) return {-1, ""};
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  return {pclose(pipe), text};
}

}  // namespace

bool have_python(const std::string& modules) {
  static std::map<std::string, bool> found;
  const auto [known, is_new] = found.try_emplace(modules, false);
  if (is_new) {
    known->second =
        run(shell_quoted(python()) + " -c 'import " + modules + "' 2>/dev/null").status == 0;
  }
  return known->second;
}

std::string why_no_python(const std::string& modules) {
  return python() + " has no " + modules + " (LOOKBACK_PYTHON names another)";
}

nlohmann::json run_python(const std::string& script, const std::vector<std::string>& arguments) {
  auto command =
      shell_quoted(python()) + " " + shell_quoted(source_directory() / "tests" / "python" / script);
  for (const auto& argument : arguments) command += " " + shell_quoted(argument);
  const auto [status, text] = run(command);
  EXPECT_EQ(status, 0) << command;
  const auto end = text.find_last_not_of('\n');
  const auto begin = text.find_last_of('\n', end);
  const auto line = text.substr(begin == std::string::npos ? 0 : begin + 1);
  return nlohmann::json::parse(line, nullptr, false);
}

}  // namespace lookback::tests
