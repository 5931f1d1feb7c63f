// Reductions element by element, for the references of sum, mean and max.
#pragma once

#include <functional>
#include <span>

#include "autograd/ops/keep_dims.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {

// function(all elements of contiguous f64 x that fall on one element of the result, in row-major
// order), for each element of the result.
inline Tensor reduction_reference(const Tensor& x, const std::vector<int>& dims, KeepDims keep,
                                  const std::function<double(std::span<const double>)>& function) {
  auto kept = x.shape();
  for (const int dim : dims) kept[dim] = 1;
  const auto strides = contiguous_strides(kept);
  std::vector<std::vector<double>> terms(static_cast<std::size_t>(kept.numel()));
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t at = 0;
    std::int64_t rest = i;
    for (int dim = x.rank() - 1; dim >= 0; --dim) {
      if (kept[dim] != 1) at += rest % x.size(dim) * strides[dim];
      rest /= x.size(dim);
    }
    terms[static_cast<std::size_t>(at)].push_back(x.data<double>()[i]);
  }
  Shape shape;
  for (int dim = 0; dim < x.rank(); ++dim) {
    bool reduced = false;
    for (const int given : dims) reduced = reduced || given == dim || given + x.rank() == dim;
    if (!reduced || keep == KeepDims::yes) shape.push_back(kept[dim]);
  }
  return make_f64(shape,
                  [&](std::int64_t i) { return function(terms[static_cast<std::size_t>(i)]); });
}

// Number of elements that fall on one.
inline double reduced_terms(const Shape& shape, const std::vector<int>& dims) {
  double product = 1;
  for (const int dim : dims) product *= static_cast<double>(shape[dim]);
  return product;
}

}  // namespace lookback::testing
