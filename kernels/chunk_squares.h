// The norm of a list of tensors, in two steps, so that several processes can each take a part:
//   y[c] = sum over chunk c of x^2;  norm = sqrt(sum over all c of y[c])
// Each tensor is cut into chunks of chunk_elements(backend), its last one shorter; they stand in
// order, tensor by tensor. A chunk's sum depends on its elements alone.
#pragma once

#include "kernels/core/slot.h"

namespace lookback::kernels {

// A power of two.
constexpr std::int64_t chunk_elements(Backend backend) {
  return backend == Backend::cuda ? std::int64_t{1} << 14 : std::int64_t{1} << 15;
}

template <class List>
std::int64_t count_chunks(const List& tensors, Backend backend) {
  const auto elements = chunk_elements(backend);
  std::int64_t count = 0;
  for (const auto& x : tensors) count += (x.numel() + elements - 1) / elements;
  return count;
}

// tensors: of one floating dtype, contiguous, of any shapes; y: [chunks] f64. Sums in f64.
struct ChunkSquares {
  InList tensors;
  Out y;
};

// squares: [chunks] f64; y: one f64. Added in an order that depends on their number alone.
struct RootOfSum {
  In squares;
  Out y;
};

// Filled by kernels/cpu/chunk_squares.cpp and kernels/cuda/chunk_squares.cu.
inline UpdateSlot<ChunkSquares> chunk_squares{"chunk_squares"};
inline UpdateSlot<RootOfSum> root_of_sum{"root_of_sum"};

}  // namespace lookback::kernels
