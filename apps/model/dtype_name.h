// The number formats that --dtype takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/check.h"

namespace lookback {

inline const std::vector<std::string> floating_dtype_names = {"float32", "float64", "bfloat16"};

// Throws Error for any other name.
inline DType floating_dtype(std::string_view name) {
  for (const auto dtype : {DType::f32, DType::f64, DType::bf16}) {
    if (name == name_of(dtype)) return dtype;
  }
  fail("dtype", "{}: must be float32, float64 or bfloat16", name);
}

}  // namespace lookback
