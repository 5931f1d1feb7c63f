// Loops over all elements of a list of contiguous tensors, as if they lay in one row.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/operand.h"

namespace lookback::kernels {

// A stretch of one tensor.
struct ListChunk {
  std::size_t tensor;
  std::int64_t begin, end;
};

// The list cut into stretches of at most `elements`, in order.
template <class List>
std::vector<ListChunk> chunks_of(const List& tensors, std::int64_t elements) {
  std::vector<ListChunk> chunks;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t size = tensors[i].numel();
    for (std::int64_t begin = 0; begin < size; begin += elements) {
      chunks.push_back({i, begin, std::min(size, begin + elements)});
    }
  }
  return chunks;
}

inline constexpr std::int64_t list_chunk_elements = 1 << 15;

}  // namespace lookback::kernels
