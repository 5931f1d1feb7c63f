#include "autograd/ops/reshape.h"

#include <optional>

#include "autograd/ops/contiguous.h"
#include "autograd/record.h"

namespace lookback {
namespace {

struct ReshapeBackward {
  static constexpr std::string_view name = "reshape";
  static constexpr bool takes_rounded_gradients = true;
  Shape x;
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {reshape(dy, x)}; }
};

Shape with_inferred_size(const Tensor& x, Shape shape) {
  const Check check{"reshape"};
  const auto given = shape;
  std::int64_t* inferred = nullptr;
  std::int64_t product = 1;
  for (auto& size : shape) {
    check(size >= -1 && (size != -1 || inferred == nullptr),
          "shape {}: sizes are 0 and up, and one of them may be -1", given);
    if (size == -1) {
      inferred = &size;
    } else {
      product *= size;
    }
  }
  const bool divides = product != 0 && x.numel() % product == 0;
  if (inferred != nullptr && divides) *inferred = x.numel() / product;
  check(inferred == nullptr ? product == x.numel() : divides,
        "x {} has {} elements, which shape {} does not fit", x.shape(), x.numel(), given);
  return shape;
}

// The strides that show x's elements with `shape`; nothing where there are none. Runs of x's
// dimensions that are one even step apart are cut into the new sizes from the end.
std::optional<Strides> view_strides(const Tensor& x, const Shape& shape) {
  if (x.is_contiguous()) return contiguous_strides(shape);
  auto strides = Shape::filled(shape.rank(), 1);
  int next = shape.rank() - 1;
  std::int64_t step = x.strides()[-1];
  std::int64_t run = 1;  // elements of the current run of dimensions
  for (int dim = x.rank() - 1; dim >= 0; --dim) {
    run *= x.size(dim);
    const bool goes_on = dim > 0 && (x.size(dim - 1) == 1 || x.strides()[dim - 1] == run * step);
    if (goes_on) continue;
    std::int64_t filled = 1;
    for (; next >= 0 && (filled < run || shape[next] == 1); --next) {
      strides[next] = filled * step;
      filled *= shape[next];
    }
    if (filled != run) return std::nullopt;
    run = 1;
    if (dim > 0) step = x.strides()[dim - 1];
  }
  return strides;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& given_shape) {
  const auto shape = with_inferred_size(x, given_shape);
  const auto strides = view_strides(x, shape);
  if (!strides) return reshape(contiguous(x), shape);
  return record<ReshapeBackward>(x.alias(shape, *strides), {x},
                                 [&] { return ReshapeBackward{x.shape()}; });
}

}  // namespace lookback
