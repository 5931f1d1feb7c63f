// Which dimensions a reduction takes away, and the shapes that follow.
#pragma once

#include <vector>

#include "autograd/ops/keep_dims.h"
#include "runtime/tensor.h"

namespace lookback {

class ReducedDims {
 public:
  // All dimensions of x.
  explicit ReducedDims(const Tensor& x);
  // These (negative: from the end). Throws, in the name of `operation`, when one is out of range or
  // named twice.
  ReducedDims(std::string_view operation, const Tensor& x, const std::vector<int>& dims);

  // x's shape with size one in the reduced dimensions.
  const Shape& kept_shape() const { return kept_; }
  // How many elements become one.
  std::int64_t terms() const;
  // A fresh view of `result`, which has kept_shape(), as the caller asked for it.
  Tensor as_result(const Tensor& result, KeepDims keep) const;
  // A gradient of as_result(), of any strides, seen with kept_shape().
  Tensor as_kept(const Tensor& dy) const;
  // The same gradient seen with x's shape: every element stands for all that were reduced to it.
  Tensor expanded(const Tensor& dy) const;

 private:
  Shape full_, kept_;
  unsigned reduced_ = 0;  // bit d: dimension d
  bool is_reduced(int dim) const { return ((reduced_ >> dim) & 1U) != 0; }
};

}  // namespace lookback
