#include "autograd/ops/top_k.h"

#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "kernels/top_k.h"

namespace lookback {

TopK top_k(const Tensor& x, std::int64_t k) {
  const Check check{"top_k"};
  no_gradient("top_k", {x});
  check(x.rank() > 0 && is_floating(x.dtype()),
        "x {} {} must be floating, with rows to choose from", x.dtype(), x.shape());
  check(k >= 1 && k <= x.size(-1), "k={} must be from 1 to {}: x is {}", k, x.size(-1), x.shape());
  auto shape = x.shape();
  shape[-1] = k;
  const TopK result{empty(shape, DType::i64, x.device()), empty(x.shape(), x.dtype(), x.device())};
  kernels::top_k_forward(
      x.backend(),
      {.x = as_rows(x), .index = as_rows(result.index), .chosen = as_rows(result.chosen)});
  return result;
}

}  // namespace lookback
