#include "autograd/ops/rope.h"

#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "kernels/rope.h"

namespace lookback {
namespace {

Tensor with_contiguous_heads(const Tensor& x) {
  return x.size(-1) <= 1 || x.strides()[-1] == 1 ? x : contiguous(x);
}

struct RopeBackward {
  static constexpr std::string_view name = "rope";
  SavedTensor cos, sin;
  std::int64_t position_offset;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed) const {
    const auto dy = with_contiguous_heads(given_dy);
    const auto dx = empty_like(dy);
    kernels::rope_backward(dy.backend(), {.dy = dy,
                                          .cos = cos.get(),
                                          .sin = sin.get(),
                                          .dx = dx,
                                          .position_offset = position_offset});
    return {dx};
  }
};

void check_tables(const Check& check, const Tensor& x, const RopeTables& tables,
                  std::int64_t position_offset) {
  const auto& cos = tables.cos;
  const auto positions = cos.rank() == 2 ? cos.size(0) : 0;
  check(cos.shape() == Shape{positions, x.size(3) / 2} && tables.sin.shape() == cos.shape(),
        "cos {} and sin {} must be (positions, {}): x is {}", cos.shape(), tables.sin.shape(),
        x.size(3) / 2, x.shape());
  check(cos.dtype() == accumulator_of(x.dtype()) && tables.sin.dtype() == cos.dtype(),
        "cos {} and sin {} must be {}: x is {}", cos.dtype(), tables.sin.dtype(),
        accumulator_of(x.dtype()), x.dtype());
  check(cos.is_contiguous() && tables.sin.is_contiguous(), "cos and sin must be contiguous");
  check(position_offset >= 0 && position_offset + x.size(1) <= positions,
        "positions {} to {} are asked for: the tables hold 0 to {}", position_offset,
        position_offset + x.size(1) - 1, positions - 1);
}

}  // namespace

Tensor rope(const Tensor& given_x, const RopeTables& tables, std::int64_t position_offset) {
  const Check check{"rope"};
  check(given_x.rank() == 4 && is_floating(given_x.dtype()) && given_x.size(3) % 2 == 0,
        "x {} {} must be floating, (batch, positions, heads, even head size)", given_x.dtype(),
        given_x.shape());
  check_tables(check, given_x, tables, position_offset);
  no_gradient("rope", {tables.cos, tables.sin});
  const auto x = with_contiguous_heads(given_x);
  const auto y = empty_like(x);
  kernels::rope_forward(
      x.backend(),
      {.x = x, .cos = tables.cos, .sin = tables.sin, .y = y, .position_offset = position_offset});
  return record<RopeBackward>(y, {x}, [&] {
    return RopeBackward{tables.cos, tables.sin, position_offset};
  });
}

}  // namespace lookback
