// Running the built program, as a user would.
#pragma once

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lookback::tests {

struct ProgramResult {
  int code = -1;  // the exit code; 128 + signal when one killed it
  std::string out, err;
};

struct ProgramOptions {
  // The largest file it may write (RLIMIT_FSIZE): a disk that is full, for any user.
  std::optional<std::size_t> largest_file_bytes = {};
  // Address space (RLIMIT_AS).
  std::optional<std::size_t> largest_memory_bytes = {};
  // Ctrl-C, or another signal, once this file is there.
  std::optional<std::filesystem::path> interrupt_when = {};
  int interrupt_signal = SIGINT;
  // In place of a signal: what happens to the program then, by its process id.
  std::function<void(pid_t)> interrupt_by = {};
  // In the child, before it becomes the program: what it inherits.
  std::function<void()> in_child = {};
  // SIGKILL once this says so; asked as often as can be.
  std::function<bool()> kill_when = {};
  std::filesystem::path directory = ".";  // to run in
};

// `lookback` with these arguments, stdin empty; waits for its end.
ProgramResult run_lookback(const std::vector<std::string>& arguments,
                           const ProgramOptions& options = {});

// One line `lookback: error: ...` on stderr, nothing on stdout, this exit code, this text in it.
void expect_error(const ProgramResult& result, int code, const std::string& text);

// As if another program had written the model folder, or had changed it on purpose: nothing says
// what it held.
void remove_checksums(const std::filesystem::path& model);

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace lookback::tests
