#include "autograd/ops/rope.h"

#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/check_rope_tables.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/record.h"
#include "kernels/rope.h"

namespace lookback {
namespace {

Tensor with_contiguous_heads(const Tensor& x) {
  return x.size(-1) <= 1 || x.strides()[-1] == 1 ? x : contiguous(x);
}

struct RopeBackward {
  static constexpr std::string_view name = "rope";
  static constexpr bool takes_rounded_gradients = true;
  SavedTensor cos, sin;
  std::int64_t position_offset;
  DType dx_dtype;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed) const {
    const auto dy = with_contiguous_heads(given_dy);
    // What is rounded already stays so.
    const auto dtype = dy.dtype() == DType::bf16 ? dy.dtype() : dx_dtype;
    const auto dx = empty(dy.shape(), dtype, dy.device());
    kernels::rope_backward(dy.backend(), {.dy = dy,
                                          .cos = cos.get(),
                                          .sin = sin.get(),
                                          .dx = dx,
                                          .position_offset = position_offset});
    return {dx};
  }
};

}  // namespace

Tensor rope(const Tensor& given_x, const RopeTables& tables, std::int64_t position_offset,
            const RopeFormats& formats) {
  const Check check{"rope"};
  check(given_x.rank() == 4 && is_floating(given_x.dtype()) && given_x.size(3) % 2 == 0,
        "x {} {} must be floating, (batch, positions, heads, even head size)", given_x.dtype(),
        given_x.shape());
  check_rope_tables(check, given_x.shape(), given_x.dtype(), tables, position_offset);
  check_products(check, given_x.dtype(), formats.source);
  const auto dtype = formats.result.value_or(given_x.dtype());
  check(may_be_rounded(given_x.dtype(), dtype), "x {} cannot be rounded to {}", given_x.dtype(),
        dtype);
  no_gradient("rope", {tables.cos, tables.sin});
  const auto x = with_contiguous_heads(given_x);
  const auto y = empty(x.shape(), dtype, x.device());
  kernels::rope_forward(
      x.backend(),
      {.x = x, .cos = tables.cos, .sin = tables.sin, .y = y, .position_offset = position_offset});
  return record<RopeBackward>(y, {x}, [&] {
    return RopeBackward{tables.cos, tables.sin, position_offset,
                        operand_dtype(x.dtype(), formats.source)};
  });
}

}  // namespace lookback
