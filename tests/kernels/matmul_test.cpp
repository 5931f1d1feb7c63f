#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/parallel.h"
#include "runtime/tensor.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

Tensor swapped(const Tensor& x) {
  auto shape = x.shape();
  auto strides = x.strides();
  std::swap(shape[-1], shape[-2]);
  std::swap(strides[-1], strides[-2]);
  return x.alias(shape, strides);
}

// Random, of the wanted shape, and stored with the last two dimensions the other way round.
template <class T>
Tensor random_transposed(Shape shape, unsigned seed) {
  std::swap(shape[-1], shape[-2]);
  return swapped(random_tensor<T>(shape, seed));
}

// The element at `index` of x's broadcast to the index's rank; the last two are (row, column).
template <class T>
double element(const Tensor& x, const Shape& index) {
  std::int64_t offset = 0;
  for (int dim = 1; dim <= x.rank(); ++dim) {
    if (x.size(-dim) != 1) offset += x.strides()[-dim] * index[-dim];
  }
  return static_cast<double>(x.data<T>()[offset]);
}

template <class Visitor>
void for_each_index(const Shape& shape, const Visitor& visit) {
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    auto index = shape;
    auto rest = i;
    for (int dim = shape.rank() - 1; dim >= 0; --dim) {
      index[dim] = rest % shape[dim];
      rest /= shape[dim];
    }
    visit(i, index);
  }
}

// a b at every index of `shape`, which ends in (M, N).
template <class T>
std::vector<double> products(const Tensor& a, const Tensor& b, const Shape& shape) {
  std::vector<double> results(static_cast<std::size_t>(shape.numel()));
  for_each_index(shape, [&](std::int64_t i, const Shape& index) {
    double sum = 0;
    for (std::int64_t k = 0; k < a.size(-1); ++k) {
      auto in_a = index;
      auto in_b = index;
      in_a[-1] = k;
      in_b[-2] = k;
      sum += element<T>(a, in_a) * element<T>(b, in_b);
    }
    results[static_cast<std::size_t>(i)] = sum;
  });
  return results;
}

template <class T>
void expect_product(const Tensor& a, const Tensor& b, const Shape& leading) {
  auto shape = leading;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  SCOPED_TRACE(fmt::format("{} x {}", a.shape(), b.shape()));
  const Tensor y = empty(shape, dtype_of<T>);
  for (auto& value : y.elements<T>()) value = static_cast<T>(NAN);
  matmul_forward(Backend::cpu, {.a = a, .b = b, .y = y, .alpha = 2.0});
  const auto exact = products<T>(a, b, shape);
  const double size = 1.0 + std::sqrt(static_cast<double>(a.size(-1)));
  const double tolerance =
      16.0 * size * epsilon_of(accumulator_of(dtype_of<T>)) + 4.0 * size * epsilon_of(dtype_of<T>);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(y.elements<T>()[i]), 2.0 * exact[i], tolerance) << i;
  }
}

template <class T>
void check_layouts(const Shape& a_leading, const Shape& b_leading, const Shape& leading) {
  const std::int64_t sizes[][3] = {{3, 5, 7},  {1, 33, 8}, {33, 1, 8},
                                   {31, 2, 1}, {4, 4, 0},  {0, 3, 2}};
  for (const auto& [m, n, k] : sizes) {
    auto a_shape = a_leading;
    a_shape.push_back(m);
    a_shape.push_back(k);
    auto b_shape = b_leading;
    b_shape.push_back(k);
    b_shape.push_back(n);
    expect_product<T>(random_tensor<T>(a_shape, 1), random_tensor<T>(b_shape, 2), leading);
    expect_product<T>(random_transposed<T>(a_shape, 1), random_tensor<T>(b_shape, 2), leading);
    expect_product<T>(random_tensor<T>(a_shape, 1), random_transposed<T>(b_shape, 2), leading);
    expect_product<T>(random_transposed<T>(a_shape, 1), random_transposed<T>(b_shape, 2), leading);
  }
}

template <class T>
void check_all() {
  check_layouts<T>({}, {}, {});
  check_layouts<T>({2, 3}, {2, 3}, {2, 3});
  check_layouts<T>({4}, {}, {4});  // one larger product in disguise
  check_layouts<T>({}, {4}, {4});
  check_layouts<T>({2, 1, 3}, {5, 1}, {2, 5, 3});
  check_layouts<T>({0}, {1}, {0});
}
TEST(Matmul, BroadcastsAndTransposesF32) { check_all<float>(); }
TEST(Matmul, BroadcastsAndTransposesF64) { check_all<double>(); }
TEST(Matmul, BroadcastsAndTransposesBf16) { check_all<BFloat16>(); }

// Heads split off by strides: [B, T, H, d] seen as [B, H, T, d].
TEST(Matmul, ReadsHeadsInPlace) {
  const auto x = random_tensor<double>({2, 9, 3, 8}, 1);
  const auto heads = x.alias({2, 3, 9, 8}, {9 * 3 * 8, 8, 3 * 8, 1});
  expect_product<double>(heads, swapped(heads), {2, 3});
}

// The gradient of operands that were broadcast: the sum over what they lack.
TEST(Matmul, BackwardAddsTheSumOverMissingDimensions) {
  const auto a = random_transposed<double>({2, 5, 4, 6}, 1);
  const auto b = random_tensor<double>({2, 5, 6, 3}, 2);
  const auto each = products<double>(a, b, {2, 5, 4, 3});
  const Shape targets[] = {{4, 3}, {2, 1, 4, 3}, {5, 4, 3}, {1, 5, 4, 3}, {2, 5, 4, 3}};
  for (const auto& target : targets) {
    SCOPED_TRACE(fmt::format("y {}", target));
    const auto y = random_tensor<double>(target, 3);
    std::vector<double> expected(y.elements<double>().begin(), y.elements<double>().end());
    for_each_index({2, 5, 4, 3}, [&](std::int64_t i, const Shape& index) {
      std::int64_t at = 0;
      for (int dim = 1; dim <= target.rank(); ++dim) {
        if (target[-dim] != 1) at += y.strides()[-dim] * index[-dim];
      }
      expected[static_cast<std::size_t>(at)] += each[static_cast<std::size_t>(i)];
    });
    matmul_backward(Backend::cpu, {.a = a, .b = b, .y = y});
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(y.elements<double>()[i], expected[i], 1e-13);
    }
  }
}

TEST(Matmul, Bf16SumsOverABatchAreRoundedOnce) {
  const auto a = random_tensor<BFloat16>({64, 3, 5}, 1);
  const auto b = random_tensor<BFloat16>({64, 5, 4}, 2);
  const auto exact = zeros({3, 4}, DType::f32);
  const auto rounded = zeros({3, 4}, DType::bf16);
  matmul_backward(Backend::cpu, {.a = a, .b = b, .y = exact});
  matmul_backward(Backend::cpu, {.a = a, .b = b, .y = rounded});
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(rounded.elements<BFloat16>()[i].bits, BFloat16(exact.elements<float>()[i]).bits);
  }
}

TEST(Matmul, SameBitsAtOneAndTwoThreads) {
  const auto a = random_tensor<float>({3, 1, 130, 70}, 1);
  const auto b = random_transposed<float>({7, 70, 300}, 2);
  std::vector<float> bits[2];
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    const auto y = empty({3, 7, 130, 300}, DType::f32);
    matmul_forward(Backend::cpu, {.a = a, .b = b, .y = y});
    bits[threads - 1].assign(y.elements<float>().begin(), y.elements<float>().end());
  }
  set_num_threads(before);
  EXPECT_EQ(bits[0], bits[1]);
}

}  // namespace
}  // namespace lookback::kernels
