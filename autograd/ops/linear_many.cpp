#include "autograd/ops/linear_many.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/binary.h"
#include "kernels/sum_of_products.h"

namespace lookback {
namespace {

struct LinearManyBackward {
  static constexpr std::string_view name = "linear_many";
  static constexpr bool takes_rounded_gradients = true;
  SavedTensor x;  // a matrix, as the products read it
  std::vector<SavedTensor> weights;
  Shape x_shape;
  DType x_dtype;
  Products products;

  std::vector<Tensor> operator()(std::span<const Tensor> given, Needed needed) const {
    const auto count = weights.size();
    const auto dtype = weights[0].get().dtype();
    std::vector<Tensor> result(1 + 2 * count);
    std::vector<Tensor> operands;  // dy_i and weight_i, of the outputs that have a gradient
    const auto x_operand = x.get();
    for (std::size_t i = 0; i < count; ++i) {
      if (!given[i].defined()) continue;
      const auto dy = gradient_rows(given[i], dtype, products);
      const auto dy_operand = product_operand(dy, products);
      if (needed[0]) {
        operands.push_back(dy_operand);
        operands.push_back(weight_operand(weights[i].get(), products));
      }
      if (needed[1 + i]) {
        result[1 + i] = empty({dy.size(1), x_shape[-1]}, dtype, dy.device());
        multiply_into(result[1 + i], transposed_matrix(dy_operand), x_operand);
      }
      if (needed[1 + count + i]) {
        result[1 + count + i] = unbroadcast(cast(dy, dtype), {dy.size(1)});
      }
    }
    if (!needed[0]) return result;
    result[0] = empty(x_shape, x_dtype, x_operand.device());
    kernels::SumOfProductsForwardArgs arguments{.a = {}, .b = {}, .y = as_rows(result[0])};
    for (std::size_t i = 0; i < operands.size(); i += 2) {
      arguments.a.emplace_back(operands[i]);
      arguments.b.emplace_back(operands[i + 1]);
    }
    run_with_workspace(kernels::sum_of_products_forward, result[0].device(), arguments);
    return result;
  }
};

}  // namespace

std::vector<Tensor> linear_many(const Tensor& x, const std::vector<Tensor>& weights,
                                const std::vector<Tensor>& biases, Products products) {
  check_weights_of_one(Check{"linear_many"}, x, weights, biases, products);
  const auto x_operand = product_operand(as_rows(x), products);
  std::vector<Tensor> outputs, matrices;
  std::vector<Tensor> inputs{x};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  inputs.insert(inputs.end(), biases.begin(), biases.end());
  inputs.resize(1 + 2 * weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    matrices.push_back(as_rows(weights[i]));
    auto shape = x.shape();
    shape[-1] = weights[i].size(0);
    outputs.push_back(empty(shape, weights[i].dtype(), x.device()));
    const auto y = as_rows(outputs[i]);
    multiply_into(y, x_operand, transposed_matrix(weight_operand(matrices[i], products)));
    if (biases.empty() || !biases[i].defined()) continue;
    kernels::add_forward(y.backend(), {.a = y, .b = biases[i], .y = y});
  }
  record_all<LinearManyBackward>(outputs, inputs, [&] {
    return LinearManyBackward{
        x_operand, {matrices.begin(), matrices.end()}, x.shape(), x.dtype(), products};
  });
  return outputs;
}

}  // namespace lookback
