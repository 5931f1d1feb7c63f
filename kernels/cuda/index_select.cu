#include "kernels/index_select.h"

#include "kernels/core/dim_blocks.h"
#include "kernels/cuda/pick_rows.h"

namespace lookback::kernels {
namespace {

void forward(const IndexSelectForwardArgs& a) {
  const DimBlocks from(a.x, a.dim);
  pick_rows({.x = a.x.data,
             .index = a.index.as<std::int64_t>(),
             .y = a.y.data,
             .outer = from.outer,
             .picked = a.index.numel(),
             .inner = from.inner,
             .dtype = a.x.dtype,
             .check = index_check(IndexUser::index_select, a.index, from.size)});
}

SummedRows rows_of(const IndexSelectBackwardArgs& a) {
  const DimBlocks to(a.dx, a.dim);
  return {.x = a.dy.data,
          .index = a.index.as<std::int64_t>(),
          .y = a.dx,
          .outer = to.outer,
          .picked = a.index.numel(),
          .limit = to.size,
          .inner = to.inner,
          .dtype = a.dy.dtype,
          .workspace = a.workspace.data};
}

void backward(const IndexSelectBackwardArgs& a) { sum_rows(rows_of(a)); }
std::size_t workspace_bytes(const IndexSelectBackwardArgs& a) {
  return summed_rows_workspace_bytes(rows_of(a));
}

const Registration forward_registered{index_select_forward, Backend::cuda, forward};
const Registration backward_registered{index_select_backward, Backend::cuda, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
