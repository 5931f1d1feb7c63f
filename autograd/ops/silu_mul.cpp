#include "autograd/ops/silu_mul.h"

#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "kernels/silu_mul.h"

namespace lookback {
namespace {

struct Halves {
  Tensor gate, up;
};

// The halves of each row of a matrix.
Halves halves_of(const Tensor& rows) {
  const Shape shape{rows.size(0), rows.size(1) / 2};
  return {rows.alias(shape, rows.strides()), rows.alias(shape, rows.strides(), shape[1])};
}

struct SiluMulBackward {
  static constexpr std::string_view name = "silu_mul";
  SavedTensor gate, up;  // rows
  Shape shape;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dgate = empty(shape, dy.dtype(), dy.device());
    const auto dup = empty_like(dgate);
    kernels::silu_mul_backward(dy.backend(), {.dy = as_rows(dy),
                                              .gate = gate.get(),
                                              .up = up.get(),
                                              .dgate = as_rows(dgate),
                                              .dup = as_rows(dup)});
    return {dgate, dup};
  }
};

struct SiluMulHalvesBackward {
  static constexpr std::string_view name = "silu_mul";
  SavedTensor gate_up;  // rows
  Shape shape;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dgate_up = empty(shape, dy.dtype(), dy.device());
    const auto saved = halves_of(gate_up.get());
    const auto gradients = halves_of(as_rows(dgate_up));
    kernels::silu_mul_backward(dy.backend(), {.dy = as_rows(dy),
                                              .gate = saved.gate,
                                              .up = saved.up,
                                              .dgate = gradients.gate,
                                              .dup = gradients.up});
    return {dgate_up};
  }
};

Tensor forward(const Tensor& gate, const Tensor& up, const Shape& shape, DType dtype) {
  const auto y = empty(shape, dtype, gate.device());
  kernels::silu_mul_forward(gate.backend(), {.gate = gate, .up = up, .y = as_rows(y)});
  return y;
}

}  // namespace

Tensor silu_mul(const Tensor& gate, const Tensor& up) {
  const Check check{"silu_mul"};
  check(gate.shape() == up.shape() && gate.rank() > 0, "gate {} and up {} must have one shape",
        gate.shape(), up.shape());
  check(gate.dtype() == up.dtype() && is_floating(gate.dtype()),
        "gate {} and up {} must have one floating dtype", gate.dtype(), up.dtype());
  const auto gate_rows = as_rows(gate);
  const auto up_rows = as_rows(up);
  const auto y = forward(gate_rows, up_rows, gate.shape(), gate.dtype());
  return record<SiluMulBackward>(y, {gate, up}, [&] {
    return SiluMulBackward{gate_rows, up_rows, gate.shape()};
  });
}

Tensor silu_mul(const Tensor& gate_up, Products around) {
  const Check check{"silu_mul"};
  check(gate_up.rank() > 0 && gate_up.size(-1) % 2 == 0,
        "gate_up {} must have an even last size: the gate, then up", gate_up.shape());
  check(is_floating(gate_up.dtype()), "gate_up {} must be floating", gate_up.dtype());
  check_products(check, gate_up.dtype(), around);
  const auto rows = as_rows(gate_up);
  const auto halves = halves_of(rows);
  auto shape = gate_up.shape();
  shape[-1] /= 2;
  const auto y = forward(halves.gate, halves.up, shape, operand_dtype(gate_up.dtype(), around));
  return record<SiluMulHalvesBackward>(y, {gate_up}, [&] {
    return SiluMulHalvesBackward{rows, gate_up.shape()};
  });
}

}  // namespace lookback
