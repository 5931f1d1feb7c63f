#include "autograd/ops/transpose.h"

#include <utility>

#include "autograd/record.h"

namespace lookback {
namespace {

struct TransposeBackward {
  static constexpr std::string_view name = "transpose";
  int first, second;
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    return {transpose(dy, first, second)};
  }
};

}  // namespace

Tensor transpose(const Tensor& x, int first, int second) {
  first = normalize_dim("transpose", first, x.rank());
  second = normalize_dim("transpose", second, x.rank());
  auto shape = x.shape();
  auto strides = x.strides();
  std::swap(shape[first], shape[second]);
  std::swap(strides[first], strides[second]);
  return record<TransposeBackward>(x.alias(shape, strides), {x}, [&] {
    return TransposeBackward{first, second};
  });
}

}  // namespace lookback
