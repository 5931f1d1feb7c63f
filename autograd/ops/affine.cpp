#include "autograd/ops/affine.h"

#include "autograd/record.h"
#include "kernels/affine.h"

namespace lookback {
namespace {

struct AffineBackward {
  static constexpr std::string_view name = "affine";
  double scale;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {affine(dy, scale, 0)}; }
};

}  // namespace

Tensor affine(const Tensor& x, double scale, double shift) {
  const Check check{"affine"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
  const auto y = empty_like(x);
  kernels::affine_forward(x.backend(), {.x = x, .y = y, .scale = scale, .shift = shift});
  return record<AffineBackward>(y, {x}, [&] { return AffineBackward{scale}; });
}

}  // namespace lookback
