#include "autograd/ops/unary.h"

#include "autograd/ops/binary.h"
#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"

namespace lookback {
namespace {

using Gradients = std::vector<Tensor>;

// dx by a kernel, from dy and what forward saved.
Tensor by_kernel(const kernels::BackwardSlot<kernels::UnaryBackwardArgs>& backward,
                 const Tensor& dy, const SavedTensor& saved) {
  const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
  backward(dy.backend(), {.dy = contiguous(dy), .saved = saved.get(), .dx = dx});
  return dx;
}

// dx = dy y
struct ExpBackward {
  static constexpr std::string_view name = "exp";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const { return {multiply(dy, y.get())}; }
};

// dx = dy / x
struct LogBackward {
  static constexpr std::string_view name = "log";
  SavedTensor x;
  Gradients operator()(const Tensor& dy, Needed) const { return {divide(dy, x.get())}; }
};

// dx = dy / (2 y)
struct SqrtBackward {
  static constexpr std::string_view name = "sqrt";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {divide(affine(dy, 0.5, 0), y.get())};
  }
};

// dx = -dy y^3 / 2
struct RsqrtBackward {
  static constexpr std::string_view name = "rsqrt";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {by_kernel(kernels::rsqrt_backward, dy, y)};
  }
};

// dx = dy y (1 - y)
struct SigmoidBackward {
  static constexpr std::string_view name = "sigmoid";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {by_kernel(kernels::sigmoid_backward, dy, y)};
  }
};

// dx = dy (1 - y^2)
struct TanhBackward {
  static constexpr std::string_view name = "tanh";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {by_kernel(kernels::tanh_backward, dy, y)};
  }
};

// dx = dy s (1 + x (1 - s)), s = 1 / (1 + e^-x)
struct SiluBackward {
  static constexpr std::string_view name = "silu";
  SavedTensor x;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {by_kernel(kernels::silu_backward, dy, x)};
  }
};

// dx = dy, dy y below 0
struct EluPlusOneBackward {
  static constexpr std::string_view name = "elu_plus_one";
  SavedTensor y;
  Gradients operator()(const Tensor& dy, Needed) const {
    return {by_kernel(kernels::elu_plus_one_backward, dy, y)};
  }
};

struct GeluBackward {
  static constexpr std::string_view name = "gelu";
  SavedTensor x;
  GeluForm form;
  Gradients operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::gelu_backward(dy.backend(),
                           {.dy = contiguous(dy), .x = x.get(), .dx = dx, .form = form});
    return {dx};
  }
};

// dx = dy within the limits
struct ClampBackward {
  static constexpr std::string_view name = "clamp";
  SavedTensor x;
  double limit;
  Gradients operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::clamp_backward(dy.backend(),
                            {.dy = contiguous(dy), .x = x.get(), .dx = dx, .limit = limit});
    return {dx};
  }
};

// dx = -dy
struct NegateBackward {
  static constexpr std::string_view name = "negate";
  Gradients operator()(const Tensor& dy, Needed) const { return {negate(dy)}; }
};

// y = f(x) by the slot's kernel; Backward saves what it has a member for, x or y.
template <class Backward>
Tensor apply(const kernels::Slot<kernels::UnaryForwardArgs>& forward, const Tensor& given_x) {
  const auto x = floating_operand(Backward::name, given_x);
  const auto y = empty_like(x);
  forward(x.backend(), {.x = x, .y = y});
  return record<Backward>(y, {x}, [&] {
    if constexpr (requires { &Backward::x; }) {
      return Backward{.x = x};
    } else {
      return Backward{.y = y};
    }
  });
}

}  // namespace

Tensor exp(const Tensor& x) { return apply<ExpBackward>(kernels::exp_forward, x); }
Tensor log(const Tensor& x) { return apply<LogBackward>(kernels::log_forward, x); }
Tensor sqrt(const Tensor& x) { return apply<SqrtBackward>(kernels::sqrt_forward, x); }
Tensor rsqrt(const Tensor& x) { return apply<RsqrtBackward>(kernels::rsqrt_forward, x); }
Tensor sigmoid(const Tensor& x) { return apply<SigmoidBackward>(kernels::sigmoid_forward, x); }
Tensor tanh(const Tensor& x) { return apply<TanhBackward>(kernels::tanh_forward, x); }
Tensor silu(const Tensor& x) { return apply<SiluBackward>(kernels::silu_forward, x); }

Tensor elu_plus_one(const Tensor& x) {
  return apply<EluPlusOneBackward>(kernels::elu_plus_one_forward, x);
}

Tensor gelu(const Tensor& given_x, GeluForm form) {
  const auto x = floating_operand("gelu", given_x);
  const auto y = empty_like(x);
  kernels::gelu_forward(x.backend(), {.x = x, .y = y, .form = form});
  return record<GeluBackward>(y, {x}, [&] { return GeluBackward{x, form}; });
}

Tensor clamp(const Tensor& given_x, double limit) {
  const auto x = floating_operand("clamp", given_x);
  Check{"clamp"}(limit > 0, "limit is {}: must be above 0", limit);
  const auto y = empty_like(x);
  kernels::clamp_forward(x.backend(), {.x = x, .y = y, .limit = limit});
  return record<ClampBackward>(y, {x}, [&] { return ClampBackward{x, limit}; });
}

Tensor negate(const Tensor& x) {
  const auto y = empty_like(x);
  kernels::negate_forward(x.backend(), {.x = x, .y = y});
  return record<NegateBackward>(y, {x}, [] { return NegateBackward{}; });
}

}  // namespace lookback
