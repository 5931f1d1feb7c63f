#include "autograd/ops/to_vector.h"

#include "autograd/ops/contiguous.h"
#include "runtime/check.h"
#include "runtime/transfer.h"

namespace lookback {

std::vector<double> to_vector(const Tensor& x) {
  const Check check{"to_vector"};
  check(x.backend() != Backend::taint, "elements of the taint device are no numbers");
  const auto dense = on_host(contiguous(x.detach()));
  return visit_floating(x.dtype(), [&]<class T>(TypeTag<T>) {
    std::vector<double> numbers;
    numbers.reserve(static_cast<std::size_t>(x.numel()));
    for (const auto number : dense.elements<T>()) numbers.push_back(static_cast<double>(number));
    return numbers;
  });
}

}  // namespace lookback
