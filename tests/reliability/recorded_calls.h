// What a program asked of the system, as system_calls.cpp writes it down.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lookback::tests {

struct SystemCall {
  enum class Kind { open, write, truncate, sync, make_folder, remove, rename };
  Kind kind = Kind::open;
  std::string path;         // of a rename: to
  std::string from = {};    // of a rename
  bool creates = false;     // of an open: where the file is not there
  std::int64_t offset = 0;  // of a write; of a truncate the new size
  std::string bytes = {};   // of a write
};

std::vector<SystemCall> read_calls(const std::filesystem::path& record);

// For ProgramOptions::in_child: the program's calls on files below `folder` are recorded in
// `record`.
std::function<void()> recorded_below(const std::filesystem::path& folder,
                                     const std::filesystem::path& record);
// One of them fails: "fsync:2:5:text" (system_calls.cpp).
std::function<void()> failing_below(const std::filesystem::path& folder, const std::string& what);

}  // namespace lookback::tests
