// By what a run knows the lines of its metrics.jsonl again.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "runtime/checksum.h"

namespace lookback {

struct LoggedLines {
  std::int64_t count = 0;
  Checksum checksum =
      {};  // their times and memory left out: all else is the same in runs that are alike
  friend bool operator==(const LoggedLines&, const LoggedLines&) = default;
};

class LineRecorder {
 public:
  void add(nlohmann::json line);
  LoggedLines so_far() const { return {.count = count_, .checksum = sum_.value()}; }

 private:
  std::int64_t count_ = 0;
  RunningChecksum sum_;
};

}  // namespace lookback
