// The largest resident size of this process so far, in bytes: what the operating system charged.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace lookback {

inline std::int64_t peak_resident_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

}  // namespace lookback
