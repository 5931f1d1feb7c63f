#include "autograd/ops/cat.h"

#include "autograd/ops/slice.h"
#include "autograd/record.h"
#include "kernels/cat.h"

namespace lookback {
namespace {

struct CatBackward {
  static constexpr std::string_view name = "cat";
  std::vector<std::int64_t> sizes;
  int dim;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    std::vector<Tensor> gradients;
    std::int64_t begin = 0;
    for (const auto size : sizes) {
      const bool wanted = needed[gradients.size()];
      gradients.push_back(wanted ? slice(dy, dim, begin, begin + size) : Tensor{});
      begin += size;
    }
    return gradients;
  }
};

Shape shape_of_all(const std::vector<Tensor>& tensors, int dim) {
  const Check check{"cat"};
  auto shape = tensors[0].shape();
  shape[dim] = 0;
  for (const auto& x : tensors) {
    check(x.dtype() == tensors[0].dtype(), "{} and {} must have one dtype", tensors[0].dtype(),
          x.dtype());
    auto others = x.shape();
    if (x.rank() == shape.rank()) others[dim] = shape[dim];
    check(others == shape, "{} and {} must be equal but in dimension {}", tensors[0].shape(),
          x.shape(), dim);
    shape[dim] += x.size(dim);
  }
  return shape;
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int dim) {
  const Check check{"cat"};
  check(!tensors.empty(), "there must be at least one tensor");
  dim = normalize_dim("cat", dim, tensors[0].rank());
  const auto y = empty(shape_of_all(tensors, dim), tensors[0].dtype(), tensors[0].device());
  std::vector<std::int64_t> sizes;
  kernels::CatForwardArgs arguments{.x = {}, .y = y, .dim = dim};
  for (const auto& x : tensors) {
    sizes.push_back(x.size(dim));
    if (x.numel() > 0) arguments.x.emplace_back(x);
  }
  kernels::cat_forward(y.backend(), arguments);
  return record<CatBackward>(y, std::span<const Tensor>(tensors), [&] {
    return CatBackward{sizes, dim};
  });
}

}  // namespace lookback
