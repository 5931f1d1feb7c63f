// Where a tensor lives, and which backend's kernels run on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/scoped_value.h"

namespace lookback {

enum class Backend : std::uint8_t { cpu, cuda, taint };
inline constexpr std::size_t backend_count = 3;

struct Device {
  Backend backend = Backend::cpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device cpu_device{};
// Its elements are no numbers: each is the set of sources it may depend on (taint_memory.h).
inline constexpr Device taint_device{.backend = Backend::taint};

namespace detail {
inline std::atomic<std::int64_t> blocks_elsewhere = 0;
}
// Whether any memory of the taint device or of a GPU is handed out: kernels then look where their
// operands live.
inline bool memory_elsewhere() {
  return detail::blocks_elsewhere.load(std::memory_order_relaxed) > 0;
}

// Where a tensor is made that no device is named for: the CPU, but during the life of a guard (of
// this thread), as with PyTorch's `with torch.device(...)`.
Device default_device();

class DefaultDevice {
 public:
  explicit DefaultDevice(Device device);

 private:
  ScopedValue<Device> default_;
};

}  // namespace lookback
