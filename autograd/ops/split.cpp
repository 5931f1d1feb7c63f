#include "autograd/ops/split.h"

#include "autograd/ops/cat.h"
#include "autograd/record.h"

namespace lookback {
namespace {

// One zero, seen at every place of `shape`.
Tensor zeros_of(const Shape& shape, DType dtype, Device device) {
  return zeros({}, dtype, device).alias(shape, Shape::filled(shape.rank(), 0));
}

struct SplitBackward {
  static constexpr std::string_view name = "split";
  std::vector<Shape> shapes;
  int dim;
  DType dtype;
  Device device;

  std::vector<Tensor> operator()(std::span<const Tensor> given, Needed) const {
    std::vector<Tensor> gradients(given.begin(), given.end());
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) gradients[i] = zeros_of(shapes[i], dtype, device);
    }
    return {cat(gradients, dim)};
  }
};

}  // namespace

std::vector<Tensor> split(const Tensor& x, int dim, const std::vector<std::int64_t>& sizes) {
  const Check check{"split"};
  dim = normalize_dim("split", dim, x.rank());
  std::int64_t total = 0;
  for (const auto size : sizes) {
    check(size >= 0, "size {} must not be negative", size);
    total += size;
  }
  check(!sizes.empty() && total == x.size(dim),
        "{} parts of {} in all must fill dimension {} of x {}", sizes.size(), total, dim,
        x.shape());
  std::vector<Tensor> parts;
  std::vector<Shape> shapes;
  std::int64_t begin = 0;
  for (const auto size : sizes) {
    auto shape = x.shape();
    shape[dim] = size;
    parts.push_back(x.alias(shape, x.strides(), begin * x.strides()[dim]));
    shapes.push_back(shape);
    begin += size;
  }
  record_all<SplitBackward>(parts, std::span(&x, 1), [&] {
    return SplitBackward{shapes, dim, x.dtype(), x.device()};
  });
  return parts;
}

}  // namespace lookback
