#include "autograd/ops/index_select.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/index_select.h"

namespace lookback {
namespace {

struct IndexSelectBackward {
  static constexpr std::string_view name = "index_select";
  SavedTensor index;
  Shape x;
  int dim;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(x, accumulator_of(dy.dtype()), dy.device());
    run_with_workspace(
        kernels::index_select_backward, dy.device(),
        kernels::IndexSelectBackwardArgs{
            .dy = contiguous(dy), .index = index.get(), .dx = dx, .workspace = {}, .dim = dim});
    return {cast(dx, dy.dtype()), Tensor{}};
  }
};

}  // namespace

Tensor index_select(const Tensor& given_x, int dim, const Tensor& given_index) {
  const Check check{"index_select"};
  dim = normalize_dim("index_select", dim, given_x.rank());
  check(given_index.dtype() == DType::i64, "index must be int64, not {}", given_index.dtype());
  check(given_index.rank() == 1, "index {} must have one dimension", given_index.shape());
  auto shape = given_x.shape();
  shape[dim] = given_index.size(0);
  const auto x = contiguous(given_x);
  const auto index = contiguous(given_index);
  const auto y = empty(shape, x.dtype(), x.device());
  kernels::index_select_forward(x.backend(), {.x = x, .index = index, .y = y, .dim = dim});
  return record<IndexSelectBackward>(y, {x, index}, [&] {
    return IndexSelectBackward{index, x.shape(), dim};
  });
}

}  // namespace lookback
