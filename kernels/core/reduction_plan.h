// How a reduction walks through its operand.
#pragma once

#include <cstdint>

#include "kernels/core/operand.h"

namespace lookback::kernels {

// Some of the dimensions of a view, in their order; dimensions of one step are merged.
struct Nest {
  Shape sizes;
  Strides strides;

  void append(std::int64_t size, std::int64_t stride) {
    if (size == 1) return;
    if (sizes.rank() > 0 && strides[-1] == stride * size) {
      sizes[-1] *= size;
      strides[-1] = stride;
    } else {
      sizes.push_back(size);
      strides.push_back(stride);
    }
  }
  std::int64_t numel() const { return sizes.numel(); }
  // The innermost dimension; a nest without dimensions is one element.
  std::int64_t row() const { return sizes.rank() == 0 ? 1 : sizes[-1]; }
  std::int64_t step() const { return sizes.rank() == 0 ? 0 : strides[-1]; }
  // Where element `index`, counted in row-major order, lies.
  std::int64_t offset(std::int64_t index) const {
    std::int64_t result = 0;
    for (int dim = sizes.rank() - 1; dim >= 0; --dim) {
      result += index % sizes[dim] * strides[dim];
      index /= sizes[dim];
    }
    return result;
  }
};

// The dimensions of x, split into those that a result of `kept_sizes` keeps and those, of size one
// there, that it reduces.
struct ReductionPlan {
  Nest kept, reduced;

  ReductionPlan(const Operand& x, const Shape& kept_sizes) {
    for (int dim = 0; dim < x.rank(); ++dim) {
      (kept_sizes[dim] == 1 ? reduced : kept).append(x.size(dim), x.stride(dim));
    }
  }
};

}  // namespace lookback::kernels
