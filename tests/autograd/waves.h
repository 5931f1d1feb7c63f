// Numbers for tests that compare two ways of computing the same.
#pragma once

#include <cmath>
#include <vector>

#include "runtime/tensor.h"

namespace lookback::testing {

// sin(frequency * i) for i = 1, 2, .., in f32.
inline Tensor waves(const Shape& shape, double frequency) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(std::sin(frequency * static_cast<double>(i + 1)));
  }
  return from_values(values, shape);
}

}  // namespace lookback::testing
