// Memory that nothing may be read or written beyond.
#pragma once

#include <cstddef>

namespace lookback::device::emulated {

// A block on pages of its own, filled with NaN. It ends, to 16 bytes, where a page begins that
// nobody may touch, and another such page lies before its own: an access beyond stops the program.
// Throws OutOfMemory.
std::byte* fenced_block(std::size_t bytes);
void free_fenced_block(std::byte* block, std::size_t bytes) noexcept;

}  // namespace lookback::device::emulated
