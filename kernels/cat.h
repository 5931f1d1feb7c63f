// y = the inputs one after the other along dimension `dim`. x: any strides, shapes equal but along
// `dim`, empty ones left out; y: contiguous. One dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct CatForwardArgs {
  InList x;
  Out y;
  int dim;
  static constexpr auto dependency =
      concatenate(&CatForwardArgs::y, &CatForwardArgs::x, &CatForwardArgs::dim);
};

// Filled by kernels/cpu/cat.cpp and kernels/cuda/cat.cu.
inline Slot<CatForwardArgs> cat_forward{"cat_forward"};

}  // namespace lookback::kernels
