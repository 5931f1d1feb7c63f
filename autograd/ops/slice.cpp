#include "autograd/ops/slice.h"

#include "autograd/record.h"
#include "kernels/copy.h"

namespace lookback {
namespace {

// The same without a record.
Tensor part(const Tensor& x, int dim, std::int64_t begin, std::int64_t end) {
  auto shape = x.shape();
  shape[dim] = end - begin;
  return x.alias(shape, x.strides(), begin * x.strides()[dim]);
}

struct SliceBackward {
  static constexpr std::string_view name = "slice";
  Shape x;
  int dim;
  std::int64_t begin, end;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = zeros(x, dy.dtype(), dy.device());
    kernels::copy_forward(dy.backend(), {.x = dy, .y = part(dx, dim, begin, end)});
    return {dx};
  }
};

}  // namespace

Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end) {
  const Check check{"slice"};
  dim = normalize_dim("slice", dim, x.rank());
  check(0 <= begin && begin <= end && end <= x.size(dim),
        "[{}, {}) must lie within [0, {}): dimension {} of x {}", begin, end, x.size(dim), dim,
        x.shape());
  return record<SliceBackward>(part(x, dim, begin, end), {x}, [&] {
    return SliceBackward{x.shape(), dim, begin, end};
  });
}

}  // namespace lookback
