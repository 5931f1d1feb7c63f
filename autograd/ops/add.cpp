#include "autograd/ops/add.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "kernels/add.h"

namespace lookback {
namespace {

struct AddBackward {
  static constexpr std::string_view name = "add";
  Shape a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(dy, a) : Tensor{}, needed[1] ? unbroadcast(dy, b) : Tensor{}};
  }
};

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("add", a, b);
  kernels::add_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<AddBackward>(y, {a, b}, [&] { return AddBackward{a.shape(), b.shape()}; });
}

}  // namespace lookback
