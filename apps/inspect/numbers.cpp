#include "apps/inspect/numbers.h"

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/ops/contiguous.h"

namespace lookback {

double norm(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

Tensor own_copy(const Tensor& x) {
  const NoGrad no_grad;
  const auto dense = contiguous(x);
  const auto copy = empty_like(dense);
  visit_floating(dense.dtype(), [&]<class T>(TypeTag<T>) {
    const auto from = dense.elements<T>();
    std::copy(from.begin(), from.end(), copy.data<T>());
  });
  return copy;
}

}  // namespace lookback
