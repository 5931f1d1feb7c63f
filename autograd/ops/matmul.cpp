#include "autograd/ops/matmul.h"

#include <utility>

#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/matmul.h"

namespace lookback {
namespace {

Tensor readable(const Tensor& x) { return kernels::in_place(x.view()) ? x : contiguous(x); }

Tensor transposed(const Tensor& x) {
  auto shape = x.shape();
  auto strides = x.strides();
  std::swap(shape[-1], shape[-2]);
  std::swap(strides[-1], strides[-2]);
  return x.alias(shape, strides);
}

Shape leading(const Shape& shape) {
  return Shape(
      std::span<const std::int64_t>(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

// a b, summed over the dimensions that `shape` was broadcast along.
Tensor product_of_shape(const Tensor& a, const Tensor& b, const Shape& shape) {
  const bool broadcast =
      leading(shape) != broadcast_shapes("matmul", leading(a.shape()), leading(b.shape()));
  if (!broadcast) {
    const auto y = empty(shape, a.dtype(), a.device());
    kernels::matmul_forward(a.backend(), {.a = a, .b = b, .y = y});
    return y;
  }
  const auto y = zeros(shape, a.dtype(), a.device());
  run_with_workspace(kernels::matmul_backward, a.device(),
                     kernels::MatmulBackwardArgs{.a = a, .b = b, .y = y});
  return y;
}

// da = dy b^T, db = a^T dy.
struct MatmulBackward {
  static constexpr std::string_view name = "matmul";
  SavedTensor a, b;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = readable(given_dy);
    const auto left = a.get();
    const auto right = b.get();
    std::vector<Tensor> gradients(2);
    if (needed[0]) gradients[0] = product_of_shape(dy, transposed(right), left.shape());
    if (needed[1]) gradients[1] = product_of_shape(transposed(left), dy, right.shape());
    return gradients;
  }
};

}  // namespace

Tensor matmul(const Tensor& given_a, const Tensor& given_b) {
  const Check check{"matmul"};
  const auto& a_shape = given_a.shape();
  const auto& b_shape = given_b.shape();
  check(a_shape.rank() >= 2 && b_shape.rank() >= 2,
        "a {} x b {}: both must have two dimensions at least", a_shape, b_shape);
  check(a_shape[-1] == b_shape[-2], "a {} x b {}: a.dim(-1)={} must equal b.dim(-2)={}", a_shape,
        b_shape, a_shape[-1], b_shape[-2]);
  check(given_a.dtype() == given_b.dtype() && is_floating(given_a.dtype()),
        "a is {}, b is {}: both must have one floating dtype", given_a.dtype(), given_b.dtype());
  auto shape = broadcast_shapes("matmul", leading(a_shape), leading(b_shape));
  check(shape.rank() + 2 <= Shape::max_rank, "a {} x b {}: more than {} dimensions", a_shape,
        b_shape, Shape::max_rank);
  shape.push_back(a_shape[-2]);
  shape.push_back(b_shape[-1]);
  const auto a = readable(given_a);
  const auto b = readable(given_b);
  const auto y = empty(shape, a.dtype(), a.device());
  kernels::matmul_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<MatmulBackward>(y, {a, b}, [&] { return MatmulBackward{a, b}; });
}

}  // namespace lookback
