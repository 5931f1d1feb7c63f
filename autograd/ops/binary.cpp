#include "autograd/ops/binary.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/ops/unary.h"
#include "autograd/record.h"
#include "kernels/binary.h"

namespace lookback {
namespace {

struct AddBackward {
  static constexpr std::string_view name = "add";
  Shape a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(dy, a) : Tensor{}, needed[1] ? unbroadcast(dy, b) : Tensor{}};
  }
};

struct SubtractBackward {
  static constexpr std::string_view name = "subtract";
  Shape a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(dy, a) : Tensor{},
            needed[1] ? negate(unbroadcast(dy, b)) : Tensor{}};
  }
};

// da = dy b, db = dy a, summed over what was broadcast.
struct MultiplyBackward {
  static constexpr std::string_view name = "multiply";
  Shape a_shape, b_shape;
  SavedTensor a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(multiply(dy, b.get()), a_shape) : Tensor{},
            needed[1] ? unbroadcast(multiply(dy, a.get()), b_shape) : Tensor{}};
  }
};

// da = dy / b, db = -y da, summed over what was broadcast.
struct DivideBackward {
  static constexpr std::string_view name = "divide";
  Shape a_shape, b_shape;
  SavedTensor b, y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    const auto quotient = divide(dy, b.get());
    return {needed[0] ? unbroadcast(quotient, a_shape) : Tensor{},
            needed[1] ? negate(unbroadcast(multiply(quotient, y.get()), b_shape)) : Tensor{}};
  }
};

struct AffineBackward {
  static constexpr std::string_view name = "affine";
  double scale;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {affine(dy, scale, 0)}; }
};

struct PowerBackward {
  static constexpr std::string_view name = "power";
  SavedTensor x, exponent;
  double constant;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    const auto like_dy = [&] { return empty(dy.shape(), dy.dtype(), dy.device()); };
    const auto base = x.get();
    const auto p = exponent.defined() ? exponent.get() : Tensor{};
    const auto dx = needed[0] ? like_dy() : Tensor{};
    const auto dp = p.defined() && needed[1] ? like_dy() : Tensor{};
    kernels::power_backward(
        dy.backend(),
        {.dy = dy, .x = base, .exponent = p, .dx = dx, .dexponent = dp, .constant = constant});
    std::vector<Tensor> gradients{dx.defined() ? unbroadcast(dx, base.shape()) : Tensor{}};
    if (p.defined()) gradients.push_back(dp.defined() ? unbroadcast(dp, p.shape()) : Tensor{});
    return gradients;
  }
};

void check_floating(const Tensor& x) {
  const Check check{"power"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("add", a, b);
  kernels::add_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<AddBackward>(y, {a, b}, [&] { return AddBackward{a.shape(), b.shape()}; });
}

Tensor subtract(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("subtract", a, b);
  kernels::subtract_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<SubtractBackward>(y, {a, b}, [&] {
    return SubtractBackward{a.shape(), b.shape()};
  });
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("multiply", a, b);
  kernels::multiply_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<MultiplyBackward>(y, {a, b}, [&] {
    return MultiplyBackward{a.shape(), b.shape(), requires_grad(b) ? a : Tensor{},
                            requires_grad(a) ? b : Tensor{}};
  });
}

Tensor divide(const Tensor& a, const Tensor& b) {
  const Check check{"divide"};
  check(is_floating(a.dtype()), "a {} must have a floating dtype", a.dtype());
  const auto y = broadcast_result("divide", a, b);
  kernels::divide_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<DivideBackward>(y, {a, b}, [&] {
    return DivideBackward{a.shape(), b.shape(), b, requires_grad(b) ? y : Tensor{}};
  });
}

Tensor affine(const Tensor& x, double scale, double shift) {
  const Check check{"affine"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
  const auto y = empty_like(x);
  kernels::affine_forward(x.backend(), {.x = x, .y = y, .scale = scale, .shift = shift});
  return record<AffineBackward>(y, {x}, [&] { return AffineBackward{scale}; });
}

Tensor power(const Tensor& x, double exponent) {
  check_floating(x);
  const auto y = empty_like(x);
  kernels::power_forward(x.backend(), {.x = x, .exponent = Tensor{}, .y = y, .constant = exponent});
  return record<PowerBackward>(y, {x}, [&] { return PowerBackward{x, {}, exponent}; });
}

Tensor power(const Tensor& x, const Tensor& exponent) {
  check_floating(x);
  const auto y = broadcast_result("power", x, exponent);
  kernels::power_forward(x.backend(), {.x = x, .exponent = exponent, .y = y, .constant = 0});
  return record<PowerBackward>(y, {x, exponent}, [&] { return PowerBackward{x, exponent, 0}; });
}

}  // namespace lookback
