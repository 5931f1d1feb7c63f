#include "tests/reliability/recorded_calls.h"

#include <stdlib.h>

#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;

void preload(const fs::path& folder) {
  setenv("LD_PRELOAD", (program().parent_path() / "system_calls.so").c_str(), 1);
  setenv("LOOKBACK_CALLS_BELOW", folder.c_str(), 1);
}

}  // namespace

std::vector<SystemCall> read_calls(const fs::path& record) {
  using Kind = SystemCall::Kind;
  static const std::map<std::string, Kind> kinds = {
      {"open", Kind::open},         {"write", Kind::write},   {"truncate", Kind::truncate},
      {"fsync", Kind::sync},        {"unlink", Kind::remove}, {"rename", Kind::rename},
      {"mkdir", Kind::make_folder},
  };
  std::istringstream stream(read_text(record));
  std::vector<SystemCall> calls;
  SystemCall next;
  std::string word;
  std::int64_t first = 0, second = 0;
  std::size_t count = 0;
  while (stream >> word >> first >> second >> count) {
    stream.get();
    std::string bytes(count, '\0');
    stream.read(bytes.data(), static_cast<std::streamsize>(count));
    if (!stream) throw std::runtime_error("the record ends in the middle of a call");
    if (word == "from") {
      next.from = bytes;
    } else if (word == "at") {
      next.path = bytes;
      next.offset = first;
    } else {
      next.kind = kinds.at(word);
      if (next.kind == Kind::write) {
        next.bytes = bytes;
      } else {
        next.path = bytes;
        next.creates = first != 0;
        next.offset = first;
      }
      calls.push_back(std::move(next));
      next = {};
    }
  }
  return calls;
}

std::function<void()> recorded_below(const fs::path& folder, const fs::path& record) {
  return [=] {
    preload(folder);
    setenv("LOOKBACK_CALLS_RECORD", record.c_str(), 1);
  };
}

std::function<void()> failing_below(const fs::path& folder, const std::string& what) {
  return [=] {
    preload(folder);
    setenv("LOOKBACK_CALLS_FAIL", what.c_str(), 1);
  };
}

}  // namespace lookback::tests
