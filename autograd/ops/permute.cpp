#include "autograd/ops/permute.h"

#include "autograd/record.h"

namespace lookback {
namespace {

struct PermuteBackward {
  static constexpr std::string_view name = "permute";
  std::vector<int> inverse;
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {permute(dy, inverse)}; }
};

}  // namespace

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  const Check check{"permute"};
  const int rank = x.rank();
  check(dims.size() == static_cast<std::size_t>(rank), "{} dimensions are named: x {} has {}",
        dims.size(), x.shape(), rank);
  std::vector<int> inverse(dims.size(), -1);
  Shape shape;
  Strides strides;
  for (int i = 0; i < rank; ++i) {
    const int dim = normalize_dim("permute", dims[static_cast<std::size_t>(i)], rank);
    auto& from = inverse[static_cast<std::size_t>(dim)];
    check(from == -1, "dimension {} is named twice", dim);
    from = i;
    shape.push_back(x.size(dim));
    strides.push_back(x.strides()[dim]);
  }
  return record<PermuteBackward>(x.alias(shape, strides), {x},
                                 [&] { return PermuteBackward{inverse}; });
}

}  // namespace lookback
