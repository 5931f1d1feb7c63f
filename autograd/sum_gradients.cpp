#include "autograd/sum_gradients.h"

#include "kernels/binary.h"
#include "kernels/copy.h"

namespace lookback {

Tensor widened_gradient(Tensor x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const auto wide = empty(x.shape(), dtype, x.device());
  kernels::copy_forward(x.backend(), {.x = x, .y = wide});
  return wide;
}

Tensor sum_gradients(Tensor total, const Tensor& contribution) {
  const bool in_place = total.is_only_handle() && total.is_contiguous();
  const auto sum = in_place ? total : empty_like(total);
  kernels::add_forward(total.backend(), {.a = total, .b = contribution, .y = sum});
  return sum;
}

}  // namespace lookback
