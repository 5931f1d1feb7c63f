#include "autograd/ops/mean.h"

#include "autograd/ops/binary.h"
#include "autograd/ops/detail/reduced_dims.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/sum.h"

namespace lookback {
namespace {

struct MeanBackward {
  static constexpr std::string_view name = "mean";
  ReducedDims dims;
  double scale;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    return {dims.expanded(affine(dy, scale, 0))};
  }
};

Tensor mean(const Tensor& x, const ReducedDims& dims, KeepDims keep) {
  const Check check{"mean"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
  const double scale = 1 / static_cast<double>(dims.terms());
  const auto y = empty(dims.kept_shape(), x.dtype(), x.device());
  run_with_workspace(kernels::sum_forward, x.device(),
                     kernels::SumForwardArgs{.x = x, .y = y, .scale = scale});
  return record<MeanBackward>(dims.as_result(y, keep), {x}, [&] {
    return MeanBackward{dims, scale};
  });
}

}  // namespace

Tensor mean(const Tensor& x) { return mean(x, ReducedDims(x), KeepDims::no); }

Tensor mean(const Tensor& x, const std::vector<int>& dims, KeepDims keep) {
  return mean(x, ReducedDims("mean", x, dims), keep);
}

}  // namespace lookback
