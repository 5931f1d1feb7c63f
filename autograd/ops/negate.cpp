#include "autograd/ops/negate.h"

#include "autograd/record.h"
#include "kernels/negate.h"

namespace lookback {
namespace {

struct NegateBackward {
  static constexpr std::string_view name = "negate";
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {negate(dy)}; }
};

}  // namespace

Tensor negate(const Tensor& x) {
  const auto y = empty_like(x);
  kernels::negate_forward(x.backend(), {.x = x, .y = y});
  return record<NegateBackward>(y, {x}, [] { return NegateBackward{}; });
}

}  // namespace lookback
