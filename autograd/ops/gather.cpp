#include "autograd/ops/gather.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/gather.h"

namespace lookback {
namespace {

struct GatherBackward {
  static constexpr std::string_view name = "gather";
  SavedTensor index;
  Shape x;
  int dim;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(x, accumulator_of(dy.dtype()), dy.device());
    run_with_workspace(
        kernels::gather_backward, dy.device(),
        kernels::GatherBackwardArgs{
            .dy = contiguous(dy), .index = index.get(), .dx = dx, .workspace = {}, .dim = dim});
    return {cast(dx, dy.dtype()), Tensor{}};
  }
};

}  // namespace

Tensor gather(const Tensor& given_x, int dim, const Tensor& given_index) {
  const Check check{"gather"};
  dim = normalize_dim("gather", dim, given_x.rank());
  check(given_index.dtype() == DType::i64, "index must be int64, not {}", given_index.dtype());
  const auto& shape = given_index.shape();
  auto expected = given_x.shape();
  if (shape.rank() == expected.rank()) expected[dim] = shape[dim];
  check(shape == expected, "index {} must be x {} but in dimension {}", shape, given_x.shape(),
        dim);
  const auto x = contiguous(given_x);
  const auto index = contiguous(given_index);
  const auto y = empty(shape, x.dtype(), x.device());
  kernels::gather_forward(x.backend(), {.x = x, .index = index, .y = y, .dim = dim});
  return record<GatherBackward>(y, {x, index}, [&] {
    return GatherBackward{index, x.shape(), dim};
  });
}

}  // namespace lookback
