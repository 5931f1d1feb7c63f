#include "autograd/ops/sum.h"

#include "autograd/ops/detail/reduced_dims.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/sum.h"

namespace lookback {
namespace {

struct SumBackward {
  static constexpr std::string_view name = "sum";
  ReducedDims dims;
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {dims.expanded(dy)}; }
};

Tensor sum(const Tensor& x, const ReducedDims& dims, KeepDims keep) {
  const auto total = empty(dims.kept_shape(), x.dtype(), x.device());
  run_with_workspace(kernels::sum_forward, x.device(), kernels::SumForwardArgs{.x = x, .y = total});
  return record<SumBackward>(dims.as_result(total, keep), {x}, [&] { return SumBackward{dims}; });
}

}  // namespace

Tensor sum(const Tensor& x) { return sum(x, ReducedDims(x), KeepDims::no); }

Tensor sum(const Tensor& x, const std::vector<int>& dims, KeepDims keep) {
  return sum(x, ReducedDims("sum", x, dims), keep);
}

}  // namespace lookback
