// Where a tensor lives, and which backend's kernels run on it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lookback {

enum class Backend : std::uint8_t { cpu, cuda, taint };
inline constexpr std::size_t backend_count = 3;

struct Device {
  Backend backend = Backend::cpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device cpu_device{};

}  // namespace lookback
