#include "autograd/gradcheck.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"

namespace lookback {
namespace {

constexpr double step = 1e-5;
constexpr double relative_bound = 1e-6;
constexpr double output_share = 1e-3;

// Weights of the outputs: of both signs, never near zero, without any period that a sum could hide.
double weight_of(std::int64_t i) {
  return (i % 3 == 1 ? -1.0 : 1.0) *
         (0.5 + 0.5 * std::fabs(std::sin(1.0 + 0.7 * static_cast<double>(i))));
}

// The memory of element i, in row-major order, of a view of any strides.
double& element(const Tensor& x, std::int64_t i) {
  std::int64_t offset = 0;
  for (int dim = x.rank() - 1; dim >= 0; --dim) {
    offset += i % x.size(dim) * x.strides()[dim];
    i /= x.size(dim);
  }
  return x.data<double>()[offset];
}

struct Evaluation {
  double weighted_sum = 0;
  double largest = 0;
};

Evaluation evaluate(const CheckedFunction& fn, const std::vector<Tensor>& inputs) {
  const NoGrad no_grad;
  const auto y = fn(inputs);
  Evaluation result;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    result.weighted_sum += weight_of(i) * element(y, i);
    result.largest = std::max(result.largest, std::fabs(element(y, i)));
  }
  return result;
}

void run_backward(const CheckedFunction& fn, const std::vector<Tensor>& inputs) {
  const auto y = fn(inputs);
  const auto weights = empty(y.shape(), y.dtype());
  for (std::int64_t i = 0; i < y.numel(); ++i) weights.data<double>()[i] = weight_of(i);
  if (requires_grad(y)) backward(y, weights);
}

// Central differences for every element of inputs[which].
std::vector<double> numeric_gradient(const CheckedFunction& fn, const std::vector<Tensor>& inputs,
                                     std::size_t which) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < inputs[which].numel(); ++i) {
    auto& value = element(inputs[which], i);
    const double start = value;
    value = start + step;
    const double above = evaluate(fn, inputs).weighted_sum;
    value = start - step;
    const double below = evaluate(fn, inputs).weighted_sum;
    value = start;
    result.push_back((above - below) / (2 * step));
  }
  return result;
}

void compare(const Tensor& input, std::size_t which, const std::vector<double>& numeric,
             double largest_output, GradcheckResult& result) {
  double largest = 0;
  for (const double value : numeric) largest = std::max(largest, std::fabs(value));
  const double bound = relative_bound * std::max(largest, output_share * largest_output);
  const auto analytic = gradient(input);
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    const double ours = analytic.defined() ? element(analytic, static_cast<std::int64_t>(i)) : 0;
    const double error = std::fabs(ours - numeric[i]);
    const double ratio = error == 0 ? 0 : error / bound;
    if (!(ratio <= 1)) result.passed = false;
    if (ratio > result.worst_ratio || std::isnan(ratio)) {
      result.worst_ratio = ratio;
      result.message =
          fmt::format("input {} {} element {}: analytic {:.12g}, numeric {:.12g}, bound {:.3g}",
                      which, to_string(input.shape()), i, ours, numeric[i], bound);
    }
  }
}

}  // namespace

GradcheckResult gradcheck(const CheckedFunction& fn, const std::vector<Tensor>& inputs) {
  for (const auto& input : inputs) {
    if (!is_floating(input.dtype())) continue;
    if (input.dtype() != DType::f64)
      fail("gradcheck", "inputs must be float64, not {}", input.dtype());
    if (requires_grad(input)) clear_gradient(input);
  }
  run_backward(fn, inputs);
  const auto largest_output = evaluate(fn, inputs).largest;
  GradcheckResult result;
  for (std::size_t which = 0; which < inputs.size(); ++which) {
    if (!requires_grad(inputs[which])) continue;
    compare(inputs[which], which, numeric_gradient(fn, inputs, which), largest_output, result);
    clear_gradient(inputs[which]);
  }
  return result;
}

}  // namespace lookback
