#include "autograd/ops/linear_joint.h"

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

// Columns [first, first + count) of a matrix, and rows.
Tensor columns_of(const Tensor& matrix, std::int64_t first, std::int64_t count) {
  return matrix.alias({matrix.size(0), count}, matrix.strides(), first * matrix.strides()[1]);
}
Tensor rows_of(const Tensor& matrix, std::int64_t first, std::int64_t count) {
  return matrix.alias({count, matrix.size(1)}, matrix.strides(), first * matrix.strides()[0]);
}

// The weights as one matrix, where they lie so; else as many as there are.
std::vector<Tensor> joined(const std::vector<Tensor>& weights) {
  auto rows = weights[0].size(0);
  for (std::size_t i = 1; i < weights.size(); ++i) {
    const auto& before = weights[i - 1];
    const auto* end = static_cast<const std::byte*>(before.raw_data()) +
                      static_cast<std::size_t>(before.numel()) * size_of(before.dtype());
    const bool follows = before.is_contiguous() && weights[i].is_contiguous() &&
                         weights[i].storage() == before.storage() && weights[i].raw_data() == end;
    if (!follows) return weights;
    rows += weights[i].size(0);
  }
  const Shape shape{rows, weights[0].size(1)};
  return {weights[0].alias(shape, contiguous_strides(shape))};
}

struct LinearJointBackward {
  static constexpr std::string_view name = "linear_joint";
  static constexpr bool takes_rounded_gradients = true;
  SavedTensor x;                     // a matrix, as the products read it
  std::vector<SavedTensor> weights;  // joined()
  std::vector<std::int64_t> sizes;   // N_i
  Shape x_shape;
  DType x_dtype;
  Products products;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dtype = weights[0].get().dtype();
    const auto dy = gradient_rows(given_dy, dtype, products);
    const auto dy_operand = product_operand(dy, products);
    const auto count = sizes.size();
    std::vector<Tensor> result(1 + 2 * count);
    if (needed[0]) result[0] = dx(dy_operand);
    const auto dweights = weight_gradients(dy_operand, needed);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto size = sizes[i];
      if (needed[1 + i]) result[1 + i] = rows_of(dweights, first, size);
      if (needed[1 + count + i]) {
        result[1 + count + i] = unbroadcast(cast(columns_of(dy, first, size), dtype), {size});
      }
      first += size;
    }
    return result;
  }

 private:
  Tensor dx(const Tensor& dy) const {
    const auto result = empty(x_shape, x_dtype, dy.device());
    kernels::SumOfProductsForwardArgs arguments{.a = {}, .b = {}, .y = as_rows(result)};
    std::vector<Tensor> operands;  // alive until the product is done
    std::int64_t first = 0;
    for (const auto& saved : weights) {
      operands.push_back(weight_operand(saved.get(), products));
      const auto size = operands.back().size(0);
      arguments.a.emplace_back(columns_of(dy, first, size));
      arguments.b.emplace_back(operands.back());
      first += size;
    }
    if (weights.size() == 1) {
      multiply_into(as_rows(result), dy, operands[0]);
    } else {
      run_with_workspace(kernels::sum_of_products_forward, dy.device(), arguments);
    }
    return result;
  }

  // Of all weights, on top of each other; undefined where none is wanted.
  Tensor weight_gradients(const Tensor& dy, Needed needed) const {
    bool wanted = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) wanted = wanted || needed[1 + i];
    if (!wanted) return {};
    const auto result = empty({dy.size(1), x_shape[-1]}, weights[0].get().dtype(), dy.device());
    multiply_into(result, transposed_matrix(dy), x.get());
    return result;
  }
};

}  // namespace

Tensor linear_joint(const Tensor& x, const std::vector<Tensor>& weights,
                    const std::vector<Tensor>& biases, Products products) {
  check_weights_of_one(Check{"linear_joint"}, x, weights, biases, products);
  std::vector<Tensor> matrices;
  std::vector<std::int64_t> sizes;
  auto shape = x.shape();
  shape[-1] = 0;
  for (const auto& weight : weights) {
    matrices.push_back(as_rows(weight));
    sizes.push_back(weight.size(0));
    shape[-1] += weight.size(0);
  }
  matrices = joined(matrices);
  const auto operand = product_operand(as_rows(x), products);
  const auto y = empty(shape, weights[0].dtype(), x.device());
  const auto rows = as_rows(y);
  std::int64_t first = 0;
  for (const auto& matrix : matrices) {
    multiply_into(columns_of(rows, first, matrix.size(0)), operand,
                  transposed_matrix(weight_operand(matrix, products)));
    first += matrix.size(0);
  }
  first = 0;
  for (std::size_t i = 0; i < biases.size(); ++i) {
    const auto part = columns_of(rows, first, sizes[i]);
    first += sizes[i];
    if (!biases[i].defined()) continue;
    kernels::add_forward(y.backend(), {.a = part, .b = biases[i], .y = part});
  }
  std::vector<Tensor> inputs{x};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  inputs.insert(inputs.end(), biases.begin(), biases.end());
  inputs.resize(1 + 2 * weights.size());
  return record<LinearJointBackward>(y, std::span<const Tensor>(inputs), [&] {
    return LinearJointBackward{
        operand, {matrices.begin(), matrices.end()}, sizes, x.shape(), x.dtype(), products};
  });
}

RowsOfOne::RowsOfOne(std::int64_t rows, std::int64_t columns, DType dtype)
    : whole_(empty({rows, columns}, dtype)) {}

Tensor RowsOfOne::next(std::int64_t rows) {
  const auto view = rows_of(whole_, dealt_, rows);
  dealt_ += rows;
  return view;
}

}  // namespace lookback
