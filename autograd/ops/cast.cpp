#include "autograd/ops/cast.h"

#include "autograd/record.h"
#include "kernels/copy.h"

namespace lookback {
namespace {

struct CastBackward {
  static constexpr std::string_view name = "cast";
  DType x;
  // A rounded gradient is left to whoever takes such.
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    return {may_be_rounded(x, dy.dtype()) ? dy : cast(dy, x)};
  }
};

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (!is_floating(dtype)) no_gradient("cast", {x});
  const auto y = empty(x.shape(), dtype, x.device());
  kernels::copy_forward(x.backend(), {.x = x, .y = y});
  if (!is_floating(dtype)) return y;
  return record<CastBackward>(y, {x}, [&] { return CastBackward{x.dtype()}; });
}

}  // namespace lookback
