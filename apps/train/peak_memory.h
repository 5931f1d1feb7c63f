// The most memory that this process has had so far, in bytes.
#pragma once

#include <sys/resource.h>

#include <cstdint>

#include "runtime/allocator.h"
#include "runtime/device.h"

namespace lookback {

// Its largest resident size: what the operating system charged.
inline std::int64_t peak_resident_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

// Of a GPU that it computes on, of the tensors there; else its resident size.
inline std::int64_t peak_bytes_here() {
  const auto device = default_device();
  if (device.backend != Backend::cuda) return peak_resident_bytes();
  return static_cast<std::int64_t>(memory_stats(device).peak_bytes);
}

}  // namespace lookback
