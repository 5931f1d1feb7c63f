#include "autograd/ops/stack.h"

#include "autograd/ops/cat.h"
#include "autograd/ops/reshape.h"

namespace lookback {

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  const Check check{"stack"};
  check(!tensors.empty(), "there must be at least one tensor");
  const auto& first = tensors[0].shape();
  dim = normalize_dim("stack", dim, first.rank() + 1);
  auto shape = first;
  shape.insert(dim, 1);
  std::vector<Tensor> views;
  for (const auto& x : tensors) {
    check(x.shape() == first, "{} and {} must have one shape", first, x.shape());
    views.push_back(reshape(x, shape));
  }
  return cat(views, dim);
}

}  // namespace lookback
