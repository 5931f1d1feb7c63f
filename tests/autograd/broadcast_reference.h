// numpy's broadcasting, element by element, for the references of elementwise operations.
#pragma once

#include <functional>

#include "tests/autograd/op_case.h"

namespace lookback::testing {

// Element i (row-major) of x broadcast to `shape`; x contiguous f64.
inline double broadcast_element(const Tensor& x, const Shape& shape, std::int64_t i) {
  std::int64_t index = 0;
  std::int64_t step = 1;
  for (int back = 1; back <= x.rank(); ++back) {
    const auto coordinate = i % shape[-back];
    i /= shape[-back];
    if (x.size(-back) != 1) index += coordinate * step;
    step *= x.size(-back);
  }
  return x.data<double>()[index];
}

inline Tensor broadcast_reference(const Inputs& in,
                                  const std::function<double(double, double)>& function) {
  const auto shape = broadcast_shapes("reference", in[0].shape(), in[1].shape());
  return make_f64(shape, [&](std::int64_t i) {
    return function(broadcast_element(in[0], shape, i), broadcast_element(in[1], shape, i));
  });
}

// Equal shapes, both sides broadcast, a number, empty, odd sizes, a row and a column.
inline const std::vector<Shapes> broadcast_variants = {
    {{2, 3}, {2, 3}}, {{4, 1, 3}, {5, 1}}, {{}, {2}},     {{0, 3}, {3}},
    {{31, 33}, {33}}, {{1025}, {1}},       {{1}, {1025}}, {{31, 1}, {31, 33}}};

inline Tensor ones(const Shape& shape, DType dtype = DType::f64) {
  const auto x = make_f64(shape, [](std::int64_t) { return 1.0; });
  return dtype == DType::f64 ? x : empty(shape, dtype);
}

}  // namespace lookback::testing
