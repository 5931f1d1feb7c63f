// Integers put in order, on a GPU: by CUB's radix sort (toolkit/), or where there is no toolkit by
// the C++ library's (emulated/).
#pragma once

#include <cstddef>
#include <cstdint>

namespace lookback::kernels {

// sorted_keys: the keys in ascending order; sorted_values: the values in the order of their keys,
// equal ones as they were. Keys below 2^key_bits.
struct KeySort {
  const std::uint32_t* keys = nullptr;
  const std::uint32_t* values = nullptr;
  std::uint32_t* sorted_keys = nullptr;
  std::uint32_t* sorted_values = nullptr;
  std::int64_t count = 0;
  int key_bits = 32;
};
// Scratch, of 256-byte alignment.
std::size_t sort_keys_workspace_bytes(const KeySort& sort);
void sort_keys(const KeySort& sort, void* workspace);

}  // namespace lookback::kernels
