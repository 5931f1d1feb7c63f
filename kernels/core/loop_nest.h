// How kernels walk over strided views of one shape: the dimensions that matter, merged.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/core/operand.h"

namespace lookback::kernels {

// Steps of one operand for each dimension of the result: 0 where it is broadcast.
inline Strides broadcast_strides(const Operand& operand, const Shape& result) {
  auto strides = Shape::filled(result.rank(), 0);
  const int missing = result.rank() - operand.rank();
  for (int dim = 0; dim < operand.rank(); ++dim) {
    const bool broadcast = operand.size(dim) == 1 && result[missing + dim] != 1;
    strides[missing + dim] = broadcast ? 0 : operand.stride(dim);
  }
  return strides;
}

// The dimensions of `count` views of one shape: neighboring ones that every view steps through
// evenly are merged, so that a contiguous operation is one long row. At least one dimension.
template <std::size_t count>
struct LoopNest {
  Shape sizes;
  std::array<Strides, count> strides;

  LoopNest(const Shape& shape, const std::array<Strides, count>& view_strides) {
    for (int dim = 0; dim < shape.rank(); ++dim) {
      if (shape[dim] == 1) continue;
      append(shape[dim], view_strides, dim);
    }
    if (sizes.rank() == 0) {
      sizes.push_back(shape.numel());
      for (auto& view : strides) view.push_back(1);
    }
  }

 private:
  void append(std::int64_t size, const std::array<Strides, count>& view_strides, int dim) {
    bool merges = sizes.rank() > 0;
    for (std::size_t v = 0; v < count && merges; ++v) {
      merges = strides[v][-1] == view_strides[v][dim] * size;
    }
    if (merges) {
      sizes[-1] *= size;
    } else {
      sizes.push_back(size);
    }
    for (std::size_t v = 0; v < count; ++v) {
      if (merges) {
        strides[v][-1] = view_strides[v][dim];
      } else {
        strides[v].push_back(view_strides[v][dim]);
      }
    }
  }
};

}  // namespace lookback::kernels
