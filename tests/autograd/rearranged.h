// References of operations that only move elements: where each element of the result comes from.
#pragma once

#include <functional>

#include "tests/autograd/op_case.h"

namespace lookback::testing {

using Index = std::vector<std::int64_t>;

inline Index index_of(std::int64_t flat, const Shape& shape) {
  Index index(static_cast<std::size_t>(shape.rank()));
  for (int dim = shape.rank() - 1; dim >= 0; --dim) {
    index[static_cast<std::size_t>(dim)] = flat % shape[dim];
    flat /= shape[dim];
  }
  return index;
}

// The element of contiguous x at `index`.
inline double element_at(const Tensor& x, const Index& index) {
  std::int64_t flat = 0;
  for (int dim = 0; dim < x.rank(); ++dim)
    flat = flat * x.size(dim) + index[static_cast<std::size_t>(dim)];
  return x.data<double>()[flat];
}

// y[i] = x[source(i)].
inline Tensor rearranged(const Tensor& x, const Shape& shape,
                         const std::function<Index(const Index&)>& source) {
  return make_f64(shape, [&](std::int64_t i) { return element_at(x, source(index_of(i, shape))); });
}

}  // namespace lookback::testing
