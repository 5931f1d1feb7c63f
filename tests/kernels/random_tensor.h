// Tensors of uniform numbers in (-1, 1) for the kernel tests.
#pragma once

#include <random>

#include "runtime/tensor.h"

namespace lookback::kernels {

template <class T>
Tensor random_tensor(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  const Tensor x = empty(shape, dtype_of<T>);
  for (auto& value : x.elements<T>()) value = static_cast<T>(uniform(engine));
  return x;
}

}  // namespace lookback::kernels
