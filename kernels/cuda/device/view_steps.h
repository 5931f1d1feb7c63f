// Where the elements of several views of one shape lie.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/device.h"
#include "runtime/shape.h"

namespace lookback::kernels {

// How the views step through the dimensions of a nest.
template <int views>
struct ViewSteps {
  int rank = 0;
  std::int64_t sizes[Shape::max_rank] = {};
  std::int64_t steps[views][Shape::max_rank] = {};

  // Adds to the offsets where element `index` of the dimensions before `end` lies.
  LOOKBACK_DEVICE void add_offsets(std::int64_t index, int end,
                                   std::int64_t (&offsets)[views]) const {
    for (int dim = end - 1; dim >= 0; --dim) {
      const auto outer = dim == 0 ? 0 : index / sizes[dim];
      const auto place = index - outer * sizes[dim];
      index = outer;
      LOOKBACK_UNROLL
      for (int v = 0; v < views; ++v) offsets[v] += place * steps[v][dim];
    }
  }
};

}  // namespace lookback::kernels
