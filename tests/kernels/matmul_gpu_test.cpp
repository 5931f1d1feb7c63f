// Products on a GPU that add to what their result holds already.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/workspace.h"
#include "kernels/matmul.h"
#include "tests/gpu.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

template <class T>
double number(const Tensor& x, std::int64_t i) {
  return static_cast<double>(x.elements<T>()[static_cast<std::size_t>(i)]);
}

// What y holds after alpha a b, summed over a's leading dimension where y has none, is added to it.
template <class T>
Tensor added(const Tensor& a, const Tensor& b, const Tensor& y, double alpha) {
  const auto there = to_device(y, gpu()), of_a = to_device(a, gpu()), of_b = to_device(b, gpu());
  run_with_workspace(matmul_backward, gpu(),
                     MatmulBackwardArgs{.a = of_a, .b = of_b, .y = there, .alpha = alpha});
  return to_device(there, cpu_device);
}

template <class T>
void expect_added(const Shape& lead, std::int64_t m, std::int64_t k, std::int64_t n, bool summed) {
  SCOPED_TRACE(std::string(name_of(dtype_of<T>)) + " " + std::to_string(m) + " " +
               std::to_string(k) + " " + std::to_string(n));
  auto a_shape = lead, b_shape = lead, y_shape = summed ? Shape{} : lead;
  for (const auto size : {m, k}) a_shape.push_back(size);
  for (const auto size : {k, n}) b_shape.push_back(size);
  for (const auto size : {m, n}) y_shape.push_back(size);
  const auto a = random_tensor<T>(a_shape, 1), b = random_tensor<T>(b_shape, 2);
  const auto y = random_tensor<T>(y_shape, 3);
  const auto ours = added<T>(a, b, y, 0.5);
  const auto batch = lead.numel(), targets = y.numel() / (m * n);
  const double terms = static_cast<double>(k * batch / targets + 1);
  const double bound = epsilon_of(dtype_of<T>) *
                       (std::is_same_v<T, BFloat16> ? 1 : std::sqrt(terms)) *
                       std::max(1.0, std::sqrt(terms));
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const auto target = i / (m * n), row = i / n % m, column = i % n;
    double sum = 0;
    for (std::int64_t p = summed ? 0 : target; p < (summed ? batch : target + 1); ++p) {
      for (std::int64_t j = 0; j < k; ++j) {
        sum += number<T>(a, (p * m + row) * k + j) * number<T>(b, (p * k + j) * n + column);
      }
    }
    ASSERT_NEAR(number<T>(ours, i), number<T>(y, i) + 0.5 * sum, bound) << i;
  }
}

template <class T>
class MatmulSumsOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
struct SumNames {
  template <class T>
  static std::string GetName(int) {
    return std::string(name_of(dtype_of<T>));
  }
};
using Summed = ::testing::Types<float, double, BFloat16>;
TYPED_TEST_SUITE(MatmulSumsOnGpu, Summed, SumNames);

TYPED_TEST(MatmulSumsOnGpu, AreAddedToWhatIsThere) {
  expect_added<TypeParam>({}, 33, 65, 17, false);
  expect_added<TypeParam>({}, 1, 1025, 31, false);
  expect_added<TypeParam>({}, 4, 0, 3, false);
  expect_added<TypeParam>({3}, 16, 24, 8, false);
  expect_added<TypeParam>({3}, 16, 24, 8, true);
  expect_added<TypeParam>({2, 3}, 5, 31, 7, true);
}

// A result in bf16 that many products are added to is rounded once: parts that are small beside it
// would otherwise all be lost.
TEST(MatmulIntoBf16OnGpu, IsRoundedOnce) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  const auto constant = [](const Shape& shape, float value) {
    const auto x = empty(shape, DType::bf16);
    for (auto& element : x.elements<BFloat16>()) element = BFloat16(value);
    return x;
  };
  const auto y = added<BFloat16>(constant({64, 2, 3}, 0.5F), constant({64, 3, 2}, 0.25F),
                                 constant({2, 2}, 256), 1);
  for (const auto value : y.elements<BFloat16>()) EXPECT_EQ(static_cast<float>(value), 280);
}

// However many parts cuBLAS cuts such a long sum into: parts that are joined in bf16 would be off
// by a whole step of it in every fourth number.
TEST(MatmulIntoBf16OnGpu, ALongSumIsRoundedOnce) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  constexpr std::int64_t side = 32, terms = 32768;
  const auto a = random_tensor<BFloat16>({side, terms}, 1);
  const auto b = random_tensor<BFloat16>({terms, side}, 2);
  const auto nothing = zeros({side, side}, DType::bf16);
  const auto y = added<BFloat16>(a, b, nothing, 1);
  for (std::int64_t i = 0; i < side * side; ++i) {
    double sum = 0, squares = 0;
    for (std::int64_t j = 0; j < terms; ++j) {
      const double term =
          number<BFloat16>(a, i / side * terms + j) * number<BFloat16>(b, j * side + i % side);
      sum += term;
      squares += term * term;
    }
    const double half_step = std::ldexp(1.0, std::ilogb(sum) - 8);
    // Of sums in f32: the size of the partial sums, rounded as often as there are terms.
    const double of_sums =
        8 * epsilon_of(DType::f32) * std::sqrt(static_cast<double>(terms)) * std::sqrt(squares);
    ASSERT_NEAR(number<BFloat16>(y, i), sum, half_step + of_sums) << i;
  }
}

}  // namespace
}  // namespace lookback::kernels
