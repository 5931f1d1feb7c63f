// The number formats that --dtype takes.
#pragma once

#include <vector>

#include "runtime/dtype.h"

namespace lookback {

inline const std::vector<DType> floating_dtypes = {DType::f32, DType::f64, DType::bf16};

}  // namespace lookback
