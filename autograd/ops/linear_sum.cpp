#include "autograd/ops/linear_sum.h"

#include <algorithm>

#include "autograd/ops/cast.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/sum_of_products.h"

namespace lookback {
namespace {

// dx_i = alpha dy weight_i, dweight_i = alpha dy^T x_i, dbias = sum of the rows of dy.
struct LinearSumBackward {
  struct Term {
    SavedTensor x, weight;  // matrices; x as the product read it
    Shape x_shape;
    DType x_dtype;
  };

  static constexpr std::string_view name = "linear_sum";
  static constexpr bool takes_rounded_gradients = true;
  std::vector<Term> terms;
  double alpha;
  Products products;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto count = terms.size();
    const auto dtype = terms[0].weight.get().dtype();
    const auto dy = gradient_rows(given_dy, dtype, products);
    const auto dy_operand = product_operand(dy, products);
    std::vector<Tensor> result(2 * count + 1);
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [x, weight, x_shape, x_dtype] = terms[i];
      if (needed[i]) {
        result[i] = empty(x_shape, x_dtype, dy.device());
        multiply_into(as_rows(result[i]), dy_operand, weight_operand(weight.get(), products),
                      alpha);
      }
      if (needed[count + i]) {
        result[count + i] = empty({dy.size(1), x_shape[-1]}, dtype, dy.device());
        multiply_into(result[count + i], transposed_matrix(dy_operand), x.get(), alpha);
      }
    }
    if (needed[2 * count]) result[2 * count] = unbroadcast(cast(dy, dtype), {dy.size(1)});
    return result;
  }
};

void check_arguments(const std::vector<LinearTerm>& terms, const Tensor& bias, Products products) {
  const Check check{"linear_sum"};
  check(!terms.empty(), "there must be at least one term");
  const auto& first = terms[0];
  const auto dtype = first.weight.dtype();
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto& [x, weight] = terms[i];
    check(x.rank() > 0 && x.rank() == first.x.rank() &&
              std::equal(x.shape().begin(), x.shape().end() - 1, first.x.shape().begin()),
          "x {} of term {} must have the shape of term 0's, {}, but for the last size", x.shape(),
          i, first.x.shape());
    check(weight.rank() == 2 && weight.size(0) == first.weight.size(0) &&
              weight.size(1) == x.size(-1),
          "weight {} of term {} must be ({}, {}): x is {}", weight.shape(), i,
          first.weight.rank() > 0 ? first.weight.size(0) : 0, x.size(-1), x.shape());
    const bool is_rounded = products == Products::bfloat16 && x.dtype() == DType::bf16;
    check(is_floating(dtype) && (is_rounded || x.dtype() == dtype) && weight.dtype() == dtype,
          "x {} and weight {} of term {} must have term 0's dtype, {}, a floating one", x.dtype(),
          weight.dtype(), i, dtype);
  }
  check_products(check, dtype, products);
  if (!bias.defined()) return;
  check(bias.shape() == Shape{first.weight.size(0)} && bias.dtype() == dtype,
        "bias {} {} must be {} ({},): the weights are {}", bias.dtype(), bias.shape(), dtype,
        first.weight.size(0), first.weight.shape());
}

}  // namespace

Tensor linear_sum(const std::vector<LinearTerm>& terms, const Tensor& bias, double alpha,
                  Products products) {
  check_arguments(terms, bias, products);
  auto shape = terms[0].x.shape();
  shape[-1] = terms[0].weight.size(0);
  const auto y = empty(shape, terms[0].weight.dtype(), terms[0].x.device());
  std::vector<Tensor> inputs(2 * terms.size() + 1);
  std::vector<LinearSumBackward::Term> saved;
  std::vector<Tensor> operands;  // alive until the product is done
  kernels::SumOfProductsForwardArgs arguments{.a = {}, .b = {}, .y = as_rows(y), .alpha = alpha};
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto& x = terms[i].x;
    const auto weight = as_rows(terms[i].weight);
    operands.push_back(product_operand(as_rows(x), products));
    saved.push_back({operands.back(), weight, x.shape(), x.dtype()});
    arguments.a.emplace_back(operands.back());
    operands.push_back(weight_operand(weight, products));
    arguments.b.emplace_back(transposed_matrix(operands.back()));
    inputs[i] = x;
    inputs[terms.size() + i] = terms[i].weight;
  }
  const auto dense_bias = bias.defined() ? contiguous(bias.detach()) : bias;
  arguments.bias = dense_bias;
  inputs.back() = bias;
  run_with_workspace(kernels::sum_of_products_forward, y.device(), arguments);
  return record<LinearSumBackward>(y, std::span<const Tensor>(inputs), [&] {
    return LinearSumBackward{saved, alpha, products};
  });
}

}  // namespace lookback
