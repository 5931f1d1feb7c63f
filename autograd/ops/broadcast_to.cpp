#include "autograd/ops/broadcast_to.h"

#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"

namespace lookback {
namespace {

struct BroadcastToBackward {
  static constexpr std::string_view name = "broadcast_to";
  Shape x;
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {unbroadcast(dy, x)}; }
};

}  // namespace

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  const Check check{"broadcast_to"};
  const int added = shape.rank() - x.rank();
  auto strides = Shape::filled(shape.rank(), 0);
  check(added >= 0, "x {} does not broadcast to {}", x.shape(), shape);
  for (int dim = 0; dim < x.rank(); ++dim) {
    const bool same = x.size(dim) == shape[added + dim];
    check(same || x.size(dim) == 1, "x {} does not broadcast to {}", x.shape(), shape);
    if (same) strides[added + dim] = x.strides()[dim];
  }
  return record<BroadcastToBackward>(x.alias(shape, strides), {x},
                                     [&] { return BroadcastToBackward{x.shape()}; });
}

}  // namespace lookback
