#include "autograd/ops/linear_cross_entropy.h"

#include <algorithm>

#include "autograd/engine.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/binary.h"
#include "kernels/copy.h"
#include "kernels/linear_cross_entropy.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

// The kernel's gradients are in the accumulator dtype.
Tensor in_dtype(const Tensor& gradient, DType dtype) {
  if (!gradient.defined() || gradient.dtype() == dtype) return gradient;
  const auto result = empty(gradient.shape(), dtype, gradient.device());
  kernels::copy_forward(gradient.backend(), {.x = gradient, .y = result});
  return result;
}

struct LinearCrossEntropyBackward {
  static constexpr std::string_view name = "linear_cross_entropy";
  Tensor dx, dweight;  // of loss_sum; undefined where not needed

  std::vector<Tensor> operator()(const Tensor& dloss_sum, Needed) const {
    return {scaled(dx, dloss_sum), scaled(dweight, dloss_sum)};
  }

  // No other tensor shares these gradients, so they may be scaled in place, unless a second pass
  // will ask for them again.
  static Tensor scaled(const Tensor& gradient, const Tensor& dloss_sum) {
    if (!gradient.defined()) return {};
    const auto result = retaining() ? empty_like(gradient) : gradient;
    if (!is_host_memory(gradient.backend())) {  // whose numbers the host would have to wait for
      kernels::multiply_forward(
          gradient.backend(),
          {.a = gradient, .b = in_dtype(dloss_sum, gradient.dtype()), .y = result});
    } else if (const double scale = dloss_sum.item(); retaining() || scale != 1) {
      kernels::affine_forward(gradient.backend(),
                              {.x = gradient, .y = result, .scale = scale, .shift = 0});
    }
    return result;
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& targets,
                     Products products, const CrossEntropyOptions& options) {
  const Check check{"linear_cross_entropy"};
  check(x.rank() > 0 && weight.rank() == 2 && weight.size(1) == x.size(-1),
        "weight {} must be (V, {}): x is {}", weight.shape(), x.rank() > 0 ? x.size(-1) : 0,
        x.shape());
  check(is_floating(x.dtype()) && weight.dtype() == x.dtype(),
        "x {} and weight {} must have one floating dtype", x.dtype(), weight.dtype());
  check_products(check, x.dtype(), products);
  auto rows = x.shape();
  rows.erase(rows.rank() - 1);
  check(targets.dtype() == DType::i64 && targets.shape() == rows,
        "targets {} {} must be int64 {}: x is {}", targets.dtype(), targets.shape(), rows,
        x.shape());
  if (options.keep_nats) no_gradient("linear_cross_entropy with keep_nats", {x, weight});
}

}  // namespace

std::int64_t logit_rows_at_once(std::int64_t rows, std::int64_t vocabulary, Backend backend) {
  const std::int64_t max_logits = is_host_memory(backend) ? 1 << 23 : 1 << 27;
  constexpr std::int64_t min_rows = 64;
  return std::min(rows, std::max(min_rows, max_logits / std::max<std::int64_t>(1, vocabulary)));
}

CrossEntropyResult linear_cross_entropy(const Tensor& x, const Tensor& weight,
                                        const Tensor& given_targets, Products products,
                                        const CrossEntropyOptions& options) {
  check_arguments(x, weight, given_targets, products, options);
  const auto targets = contiguous(given_targets);
  const auto rows = product_operand(as_rows(x), products);
  const auto matrix = weight_operand(as_rows(weight), products);
  const auto dtype = accumulator_of(x.dtype());
  const auto fresh = [&](const Shape& shape, DType type) { return empty(shape, type, x.device()); };
  const bool needs_dx = grad_enabled() && requires_grad(x);
  const bool needs_dweight = grad_enabled() && requires_grad(weight);
  const auto chunk = logit_rows_at_once(rows.size(0), matrix.size(0), x.backend());
  CrossEntropyResult result;
  result.loss_sum = fresh({}, dtype);
  result.count = fresh({}, DType::i64);
  if (options.count_correct) result.correct = fresh({}, DType::i64);
  const auto nats = fresh(targets.shape(), dtype);
  if (options.keep_nats) result.nats = nats;
  const auto dx = needs_dx ? fresh(x.shape(), dtype) : Tensor{};
  const auto dweight = needs_dweight ? fresh(weight.shape(), dtype) : Tensor{};
  const auto logits = fresh({chunk, matrix.size(0)}, dtype);
  const bool rounds = rows.dtype() == DType::bf16 && (needs_dx || needs_dweight);
  run_with_workspace(kernels::linear_cross_entropy_forward, x.device(),
                     kernels::LinearCrossEntropyForwardArgs{
                         .x = rows,
                         .weight = matrix,
                         .targets = targets,
                         .loss_sum = result.loss_sum,
                         .count = result.count,
                         .correct = result.correct,
                         .nats = nats,
                         .dx = dx,
                         .dweight = dweight,
                         .logits = logits,
                         .rounded_dlogits = rounds ? fresh(logits.shape(), DType::bf16) : Tensor{},
                         .ignore_index = options.ignore_index});
  record<LinearCrossEntropyBackward>(result.loss_sum, {x, weight}, [&] {
    return LinearCrossEntropyBackward{in_dtype(dx, x.dtype()), in_dtype(dweight, x.dtype())};
  });
  return result;
}

}  // namespace lookback
