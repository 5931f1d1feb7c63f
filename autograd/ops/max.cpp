#include "autograd/ops/max.h"

#include "autograd/ops/detail/reduced_dims.h"
#include "autograd/record.h"
#include "kernels/max.h"

namespace lookback {
namespace {

struct MaxBackward {
  static constexpr std::string_view name = "max";
  ReducedDims dims;
  SavedTensor index;
  Shape x;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(x, dy.dtype(), dy.device());
    kernels::max_backward(dy.backend(), {.dy = dims.as_kept(dy), .index = index.get(), .dx = dx});
    return {dx};
  }
};

Tensor max(const Tensor& x, const ReducedDims& dims, KeepDims keep) {
  const Check check{"max"};
  check(dims.terms() > 0, "x {} has no elements to choose from", x.shape());
  const auto y = empty(dims.kept_shape(), x.dtype(), x.device());
  const auto index = requires_grad(x) ? empty(y.shape(), DType::i64, x.device()) : Tensor{};
  kernels::max_forward(x.backend(), {.x = x, .y = y, .index = index});
  return record<MaxBackward>(dims.as_result(y, keep), {x}, [&] {
    return MaxBackward{dims, index, x.shape()};
  });
}

}  // namespace

Tensor max(const Tensor& x) { return max(x, ReducedDims(x), KeepDims::no); }

Tensor max(const Tensor& x, const std::vector<int>& dims, KeepDims keep) {
  return max(x, ReducedDims("max", x, dims), keep);
}

}  // namespace lookback
