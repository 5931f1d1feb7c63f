// A contiguous view seen as [outer, size, inner] around one of its dimensions.
#pragma once

#include <cstdint>

#include "kernels/core/operand.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

struct DimBlocks {
  std::int64_t outer = 1, size = 1, inner = 1;

  DimBlocks(const Operand& x, int dim) : size(x.size(dim)) {
    for (int d = 0; d < dim; ++d) outer *= x.size(d);
    for (int d = dim + 1; d < x.rank(); ++d) inner *= x.size(d);
  }
  LOOKBACK_HOST_DEVICE std::int64_t offset(std::int64_t o, std::int64_t position,
                                           std::int64_t i) const {
    return (o * size + position) * inner + i;
  }
};

}  // namespace lookback::kernels
