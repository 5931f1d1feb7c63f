// Memory of the taint device (DIAGNOSIS.md, section 1). Every element is a cell: the set of sources
// that may have influenced it, one bit each, and whether it is a known constant, whose number then
// stands where a tensor on the CPU would have it. Fresh cells are unknown and depend on nothing, as
// weights do.
#pragma once

#include <cstdint>

#include "runtime/allocator.h"

namespace lookback {

// One block. Element i of a tensor of any dtype that begins at `data` has sets[i] and known[i].
struct TaintBlock {
  std::byte* data;
  std::size_t bytes;
  std::uint64_t* sets;
  std::uint8_t* known;
  std::uint64_t serial;  // no two blocks of a process share it
};

Allocator& taint_allocator();

// The block that an address of taint memory lies in. Throws Error for any other address.
TaintBlock taint_block_of(const void* address);

}  // namespace lookback
