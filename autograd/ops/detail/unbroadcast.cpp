#include "autograd/ops/detail/unbroadcast.h"

#include "autograd/workspace.h"
#include "kernels/sum.h"

namespace lookback {

Tensor unbroadcast(const Tensor& dy, const Shape& shape) {
  if (dy.shape() == shape) return dy;
  auto kept = Shape::filled(dy.rank() - shape.rank(), 1);
  for (const auto size : shape) kept.push_back(size);
  const auto total = empty(kept, dy.dtype(), dy.device());
  run_with_workspace(kernels::sum_forward, dy.device(),
                     kernels::SumForwardArgs{.x = dy, .y = total});
  return total.alias(shape, contiguous_strides(shape));
}

}  // namespace lookback
