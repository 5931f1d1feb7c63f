#include "autograd/ops/detail/rows.h"

#include "autograd/ops/contiguous.h"

namespace lookback {
namespace {

// The stride between rows; 0 where the leading dimensions have no common one.
std::int64_t row_stride(const Tensor& x) {
  const auto columns = x.size(-1);
  if (columns > 1 && x.strides()[-1] != 1) return 0;
  std::int64_t stride = 0;
  std::int64_t rows = 1;
  for (int dim = x.rank() - 2; dim >= 0; --dim) {
    if (x.size(dim) == 1) continue;
    if (rows == 1) stride = x.strides()[dim];
    if (x.strides()[dim] != stride * rows) return 0;
    rows *= x.size(dim);
  }
  if (rows == 1) return columns;
  return stride >= columns ? stride : 0;
}

}  // namespace

Tensor as_rows(const Tensor& x) {
  const auto columns = x.size(-1);
  std::int64_t rows = 1;
  for (int dim = 0; dim < x.rank() - 1; ++dim) rows *= x.size(dim);
  const auto stride = x.numel() == 0 ? columns : row_stride(x);
  if (stride == 0 && x.numel() > 0)
    return contiguous(x.detach()).alias({rows, columns}, {columns, 1});
  return x.alias({rows, columns}, {stride, 1});
}

}  // namespace lookback
