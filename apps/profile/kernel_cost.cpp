#include "apps/profile/kernel_cost.h"

#include <algorithm>

namespace lookback {
namespace {

double elements(const Shape& shape) { return static_cast<double>(shape.numel()); }

}  // namespace

// The products' operands come first in their argument structs.
double flops_of_kernel(std::string_view name, const KernelInputs& inputs,
                       const KernelOutputs& outputs) {
  if (name == "matmul_forward" || name == "expert_linear_forward") {
    return 2 * elements(outputs[0].sizes) * static_cast<double>(inputs[0].size(-1));
  }
  if (name == "expert_linear_backward") {  // dy [N, S O], x [N, I]: dweight
    return 2 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(-1));
  }
  if (name == "linear_cross_entropy_forward") {  // logits, and from them dx and dweight
    return 6 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(0));
  }
  if (name == "linear_attention_forward") {  // q [B, T, H, K], v [.., V]: two products with states
    return 4 * elements(inputs[0].sizes) * static_cast<double>(inputs[2].size(-1));
  }
  if (name == "linear_attention_backward") {  // dy [B, T, H, V], q [.., K]: twice that
    return 8 * elements(inputs[0].sizes) * static_cast<double>(inputs[1].size(-1));
  }
  if (name == "sum_of_products_forward") {  // all a [M, K_i], then all b [K_i, N]
    const auto products = static_cast<std::ptrdiff_t>(inputs.size() / 2);
    double terms = 0;
    std::for_each_n(inputs.begin(), products, [&](const auto& a) { terms += elements(a.sizes); });
    return 2 * terms * static_cast<double>(outputs[0].size(-1));
  }
  const bool forward = name == "attention_forward";
  if (!forward && name != "attention_backward") return 0;
  // Over half of T x T: one product with queries and keys forward and three backward, one with
  // values forward and two backward. Forward begins with q [B, T, H, dk], backward with
  // dy [B, T, H, dv], then q.
  const auto& q = inputs[forward ? 0 : 1];
  const auto& of_values = forward ? outputs[0] : static_cast<const kernels::Operand&>(inputs[0]);
  const auto queries = static_cast<double>(q.size(1));
  return queries * (forward ? elements(q.sizes) + elements(of_values.sizes)
                            : 3 * elements(q.sizes) + 2 * elements(of_values.sizes));
}

double bytes_of_kernel(const KernelInputs& inputs, const KernelOutputs& outputs) {
  double total = 0;
  const auto add = [&](const kernels::Operand& x) {
    total += elements(x.sizes) * static_cast<double>(size_of(x.dtype));
  };
  std::ranges::for_each(inputs, add);
  std::ranges::for_each(outputs, add);
  return total;
}

std::string shapes_of_kernel(const KernelInputs& inputs) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, inputs.size()); ++i) {
    text += (i == 0 ? "" : " x ") + to_string(inputs[i].sizes);
  }
  return text;
}

}  // namespace lookback
