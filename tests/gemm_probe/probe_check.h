#pragma once

#include <cuda_runtime_api.h>

#include "runtime/check.h"

namespace lookback::probe {

inline void check(cudaError_t status) {
  if (status != cudaSuccess) fail("cuda", "{}", cudaGetErrorString(status));
}

}  // namespace lookback::probe
