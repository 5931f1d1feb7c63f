// Memory that nothing may be read or written beyond.
#pragma once

#include <cstddef>

namespace lookback::device::emulated {

// A block on pages of its own, filled with NaN. It ends, to 16 bytes, where a page begins that
// is not accessible, and another such page lies before its own: an access beyond stops the program.
// Throws OutOfMemory.
std::byte* fenced_block(std::size_t bytes);
void free_fenced_block(std::byte* block, std::size_t bytes) noexcept;

// While one lives, blocks can be touched by what runs on the emulated GPU alone: the host's own
// code stops at once where a real GPU would stop it.
class HideFromHost {
 public:
  HideFromHost();
  ~HideFromHost();
  HideFromHost(const HideFromHost&) = delete;
  HideFromHost& operator=(const HideFromHost&) = delete;
};

// Held by what runs there: a grid, a product, a copy.
class OnDevice {
 public:
  OnDevice();
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
};

}  // namespace lookback::device::emulated
