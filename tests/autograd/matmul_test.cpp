#include "autograd/ops/matmul.h"

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

// Batches by numpy's rule, from contiguous operands.
Tensor reference(const Inputs& in) {
  const auto& a = in[0];
  const auto& b = in[1];
  const auto leading = [](const Tensor& x) {
    return Shape(
        std::span<const std::int64_t>(x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)));
  };
  auto shape = broadcast_shapes("reference", leading(a), leading(b));
  const auto rows = a.size(-2);
  const auto inner = a.size(-1);
  const auto columns = b.size(-1);
  const auto batch_shape = shape;
  shape.push_back(rows);
  shape.push_back(columns);
  return make_f64(shape, [&](std::int64_t i) {
    auto rest = i / (rows * columns);
    std::int64_t in_a = 0;
    std::int64_t in_b = 0;
    for (int dim = 1; dim <= batch_shape.rank(); ++dim) {
      const auto at = rest % batch_shape[-dim];
      rest /= batch_shape[-dim];
      if (dim + 2 <= a.rank() && a.size(-dim - 2) != 1) in_a += at * a.strides()[-dim - 2];
      if (dim + 2 <= b.rank() && b.size(-dim - 2) != 1) in_b += at * b.strides()[-dim - 2];
    }
    double sum = 0;
    for (std::int64_t k = 0; k < inner; ++k) {
      sum += a.data<double>()[in_a + i / columns % rows * inner + k] *
             b.data<double>()[in_b + k * columns + i % columns];
    }
    return sum;
  });
}

Tensor ones(const Shape& shape, DType dtype = DType::f64) {
  return dtype == DType::f64 ? make_f64(shape, [](auto) { return 1.0; }) : zeros(shape, dtype);
}

const OpCase matmul_case{
    "matmul",
    {.shapes = {{{3, 5}, {5, 4}},
                {{2, 3, 5}, {2, 5, 4}},
                {{4, 3, 2}, {2, 3}},  // one larger product in disguise
                {{3, 2}, {4, 2, 3}},
                {{2, 1, 3, 2}, {3, 2, 4}},
                {{1, 1}, {1, 1}},
                {{0, 3, 2}, {2, 4}},
                {{3, 0}, {0, 2}},
                {{33, 1025}, {1025, 31}},
                {{2, 300, 33}, {2, 33, 130}}},
     .call = [](const Inputs& in) { return matmul(in[0], in[1]); },
     .reference = reference,
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[0][-1]); },
     .refused = {{[] {
                    matmul(ones({4, 8, 16}), ones({4, 12, 32}));
                  },
                  "[matmul] a (4, 8, 16) x b (4, 12, 32): a.dim(-1)=16 must equal b.dim(-2)=12"},
                 {[] {
                    matmul(ones({8}), ones({8, 2}));
                  },
                  "both must have two dimensions at least"},
                 {[] {
                    matmul(ones({2, 3, 4}), ones({3, 4, 5}));
                  },
                  "[matmul]"},
                 {[] {
                    matmul(ones({2, 3}), ones({3, 2}, DType::f32));
                  },
                  "a is float64, b is float32: both must have one floating dtype"}}}};

}  // namespace
}  // namespace lookback::testing
