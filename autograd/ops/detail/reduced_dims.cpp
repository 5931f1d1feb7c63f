#include "autograd/ops/detail/reduced_dims.h"

namespace lookback {

ReducedDims::ReducedDims(const Tensor& x)
    : full_(x.shape()), kept_(Shape::filled(x.rank(), 1)), reduced_((1U << x.rank()) - 1) {}

ReducedDims::ReducedDims(std::string_view operation, const Tensor& x, const std::vector<int>& dims)
    : full_(x.shape()), kept_(x.shape()) {
  const Check check{operation};
  for (const int given : dims) {
    const int dim = normalize_dim(operation, given, x.rank());
    check(!is_reduced(dim), "dimension {} is named twice", dim);
    reduced_ |= 1U << dim;
    kept_[dim] = 1;
  }
}

std::int64_t ReducedDims::terms() const {
  std::int64_t product = 1;
  for (int dim = 0; dim < full_.rank(); ++dim) product *= is_reduced(dim) ? full_[dim] : 1;
  return product;
}

Tensor ReducedDims::as_result(const Tensor& result, KeepDims keep) const {
  if (keep == KeepDims::yes) return result;
  Shape shape;
  for (int dim = 0; dim < full_.rank(); ++dim) {
    if (!is_reduced(dim)) shape.push_back(full_[dim]);
  }
  return result.alias(shape, contiguous_strides(shape));
}

Tensor ReducedDims::as_kept(const Tensor& dy) const {
  if (dy.rank() == full_.rank()) return dy;
  Strides strides;
  for (int dim = 0, from = 0; dim < full_.rank(); ++dim) {
    strides.push_back(is_reduced(dim) ? 1 : dy.strides()[from++]);
  }
  return dy.alias(kept_, strides);
}

Tensor ReducedDims::expanded(const Tensor& dy) const {
  const auto with_all = as_kept(dy);
  auto strides = with_all.strides();
  for (int dim = 0; dim < full_.rank(); ++dim) {
    if (is_reduced(dim)) strides[dim] = 0;
  }
  return with_all.alias(full_, strides);
}

}  // namespace lookback
