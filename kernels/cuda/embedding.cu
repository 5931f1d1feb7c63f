#include "kernels/embedding.h"

#include "kernels/cuda/pick_rows.h"

namespace lookback::kernels {
namespace {

void forward(const EmbeddingForwardArgs& a) {
  pick_rows({.x = a.table.data,
             .index = a.ids.as<std::int64_t>(),
             .y = a.y.data,
             .outer = 1,
             .picked = a.ids.numel(),
             .inner = a.table.size(1),
             .dtype = a.table.dtype,
             .check = index_check(IndexUser::embedding, a.ids, a.table.size(0))});
}

SummedRows rows_of(const EmbeddingBackwardArgs& a) {
  return {.x = a.dy.data,
          .index = a.ids.as<std::int64_t>(),
          .y = a.dtable,
          .outer = 1,
          .picked = a.ids.numel(),
          .limit = a.dtable.size(0),
          .inner = a.dtable.size(1),
          .dtype = a.dy.dtype,
          .workspace = a.workspace.data};
}

void backward(const EmbeddingBackwardArgs& a) { sum_rows(rows_of(a)); }
std::size_t workspace_bytes(const EmbeddingBackwardArgs& a) {
  return summed_rows_workspace_bytes(rows_of(a));
}

const Registration forward_registered{embedding_forward, Backend::cuda, forward};
const Registration backward_registered{embedding_backward, Backend::cuda, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
