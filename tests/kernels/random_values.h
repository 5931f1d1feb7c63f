// Operands for tests of products.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace lookback::kernels {

// Uniform in [-1, 1].
template <class T>
std::vector<T> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = static_cast<T>(uniform(engine));
  return values;
}

}  // namespace lookback::kernels
