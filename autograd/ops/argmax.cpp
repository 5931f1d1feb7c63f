#include "autograd/ops/argmax.h"

#include "autograd/ops/detail/reduced_dims.h"
#include "autograd/record.h"
#include "kernels/max.h"

namespace lookback {

Tensor argmax(const Tensor& x, int dim) {
  const Check check{"argmax"};
  no_gradient("argmax", {x});
  const ReducedDims dims("argmax", x, {dim});
  check(dims.terms() > 0, "x {} has no elements to choose from", x.shape());
  const auto index = empty(dims.kept_shape(), DType::i64, x.device());
  kernels::max_forward(x.backend(), {.x = x, .y = Tensor{}, .index = index});
  return dims.as_result(index, KeepDims::no);
}

}  // namespace lookback
