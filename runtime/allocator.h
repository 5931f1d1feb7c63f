// Memory of a device: blocks, copies, and the books that are kept about them.
#pragma once

#include <cstddef>

#include "runtime/device.h"
#include "runtime/error.h"

namespace lookback {

struct MemoryStats {
  std::size_t live_bytes = 0;    // in blocks that are handed out
  std::size_t peak_bytes = 0;    // the largest live_bytes since the start or reset_peak_bytes()
  std::size_t cached_bytes = 0;  // in blocks kept for the next request
  std::size_t largest_free_block_bytes = 0;
};

// what(): what was asked for, live, cached, the largest free block.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

// One per device. Blocks are aligned to 64 bytes; sizes are rounded up to a size class and freed
// blocks are kept for reuse. Safe to use from several threads. Debug builds fill fresh blocks with
// NaN. allocate throws OutOfMemory.
class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void deallocate(std::byte* block, std::size_t bytes) noexcept = 0;
  virtual void fill_zero(std::byte* block, std::size_t bytes) = 0;
  // The size of the block that such a request is given: requests that agree in it can be given the
  // same block. A request of that size is given it too.
  virtual std::size_t block_bytes(std::size_t requested_bytes) const = 0;
  virtual MemoryStats stats() const = 0;
  virtual void reset_peak_bytes() = 0;
  // Gives cached blocks back to the system.
  virtual void release_cached() = 0;
};

Allocator& allocator_for(Device device);
Allocator& cpu_allocator();

// The size class of a request on the CPU: what it counts for in the books.
std::size_t block_bytes_of(std::size_t requested_bytes);

inline MemoryStats memory_stats(Device device = cpu_device) {
  return allocator_for(device).stats();
}
inline void reset_peak_bytes(Device device = cpu_device) {
  allocator_for(device).reset_peak_bytes();
}

}  // namespace lookback
