// The most memory that training has taken so far, in bytes.
#pragma once

#include <sys/resource.h>

#include <cstdint>

#include "runtime/allocator.h"
#include "runtime/device.h"

namespace lookback {

// The largest resident size of this process: what the operating system charged.
inline std::int64_t peak_resident_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

// That, or of a GPU what tensors had there.
inline std::int64_t peak_bytes_on(Device device) {
  return device.backend == Backend::cpu
             ? peak_resident_bytes()
             : static_cast<std::int64_t>(memory_stats(device).peak_bytes);
}

}  // namespace lookback
