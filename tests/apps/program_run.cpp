#include "tests/apps/program_run.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

void limit(int resource, const std::optional<std::size_t>& bytes) {
  if (!bytes) return;
  const rlimit value{*bytes, *bytes};
  setrlimit(static_cast<__rlimit_resource>(resource), &value);
}

// In the child: never returns.
[[noreturn]] void become_lookback(const std::vector<char*>& arguments,
                                  const ProgramOptions& options, const std::string& out,
                                  const std::string& err) {
  const auto redirect = [](const char* path, int flags, int target) {
    const int file = open(path, flags, 0600);
    if (file < 0 || dup2(file, target) < 0) _exit(127);
  };
  redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  redirect(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  if (chdir(options.directory.c_str()) != 0) _exit(127);
  limit(RLIMIT_FSIZE, options.largest_file_bytes);
  limit(RLIMIT_AS, options.largest_memory_bytes);
  if (options.in_child) options.in_child();
  execv(arguments.front(), arguments.data());
  _exit(127);
}

}  // namespace

ProgramResult run_lookback(const std::vector<std::string>& arguments,
                           const ProgramOptions& options) {
  const TemporaryDirectory folder;
  const std::string out = folder.path() / "out", err = folder.path() / "err";
  std::vector<std::string> all = {program().string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (auto& each : all) pointers.push_back(each.data());
  pointers.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) become_lookback(pointers, options, out, err);
  int status = 0;
  if (options.interrupt_when) {
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (std::filesystem::exists(*options.interrupt_when)) {
        if (options.interrupt_by) {
          options.interrupt_by(child);
        } else {
          kill(child, options.interrupt_signal);
        }
        waitpid(child, &status, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  } else if (options.kill_when) {
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (options.kill_when()) kill(child, SIGKILL);
    }
  } else {
    waitpid(child, &status, 0);
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_text(out), read_text(err)};
}

void expect_error(const ProgramResult& result, int code, const std::string& text) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, testing::StartsWith("lookback: error: "));
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr(text));
}

void remove_checksums(const std::filesystem::path& model) {
  EXPECT_TRUE(std::filesystem::remove(model / "lookback-checksums.json")) << model;
}

std::string read_text(const std::filesystem::path& path) {
  const std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  EXPECT_TRUE(file.flush().good()) << path;
}

}  // namespace lookback::tests
