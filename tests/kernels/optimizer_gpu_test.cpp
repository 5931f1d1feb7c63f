// AdamW and the norm of all gradients on a GPU, beside the CPU's: tensors of any size and
// alignment.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/adamw.h"
#include "kernels/chunk_squares.h"
#include "tests/gpu.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

// A chunk's elements, fewer, and more; none of them a multiple of a pack but one.
constexpr std::array<std::int64_t, 6> sizes = {1, 3, 0, 16384, 16387, 40001};

// Tensors of these sizes that begin `offset` elements behind an allocation; no number is below
// `lowest`.
template <class T>
std::vector<Tensor> tensors(unsigned seed, std::int64_t offset, Device device, T lowest = -1) {
  std::vector<Tensor> all;
  for (const auto size : sizes) {
    const auto memory = random_tensor<T>({size + offset}, seed++);
    for (auto& value : memory.template elements<T>()) value = std::max(value, lowest);
    all.push_back(to_device(memory, device).alias({size}, {1}, offset));
  }
  return all;
}

template <class T>
std::vector<double> numbers_of(const std::vector<Tensor>& all) {
  std::vector<double> numbers;
  for (const auto& x : all) {
    const auto here = to_device(x, cpu_device);
    for (const auto value : here.template elements<T>())
      numbers.push_back(static_cast<double>(value));
  }
  return numbers;
}

template <class List>
List operands(const std::vector<Tensor>& all) {
  return List(all.begin(), all.end());
}

struct Moved {
  std::vector<double> parameters, first_moments, second_moments;
};
template <class T>
Moved step(std::int64_t offset, double norm, Device device) {
  const auto w = tensors<T>(1, offset, device), m = tensors<T>(11, offset, device);
  const auto gradients = tensors<T>(31, offset, device);
  const auto v = tensors<T>(21, offset, device, T(0.01));  // squares
  const auto now = to_device(from_values(std::vector<double>{0.01, 0.5, 0.3, 0.2}, {4}), device);
  const auto all = to_device(from_values(std::vector<double>{norm}, {1}), device);
  adamw_step(device.backend, {.parameters = operands<InOutList>(w),
                              .first_moments = operands<InOutList>(m),
                              .second_moments = operands<InOutList>(v),
                              .gradients = operands<InList>(gradients),
                              .numbers = now,
                              .norm = all,
                              .decay = {0.1, 0, 0.2, 0.1, 0, 0.3},
                              .beta1 = 0.9,
                              .beta2 = 0.99,
                              .epsilon = 1e-8,
                              .max_norm = 1});
  return {numbers_of<T>(w), numbers_of<T>(m), numbers_of<T>(v)};
}

void expect_near(const std::vector<double>& ours, const std::vector<double>& expected,
                 double bound) {
  ASSERT_EQ(ours.size(), expected.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    ASSERT_NEAR(ours[i], expected[i], bound * std::max(1.0, std::abs(expected[i]))) << i;
  }
}

template <class T>
class OptimizerOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
struct OptimizerNames {
  template <class T>
  static std::string GetName(int) {
    return std::string(name_of(dtype_of<T>));
  }
};
using Optimized = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerOnGpu, Optimized, OptimizerNames);

TYPED_TEST(OptimizerOnGpu, StepsLikeTheCpu) {
  const double bound = 8 * epsilon_of(dtype_of<TypeParam>);
  for (const std::int64_t offset : {0, 1}) {
    for (const double norm : {0.5, 40.0}) {
      const auto ours = step<TypeParam>(offset, norm, gpu());
      const auto expected = step<TypeParam>(offset, norm, cpu_device);
      expect_near(ours.parameters, expected.parameters, bound);
      expect_near(ours.first_moments, expected.first_moments, bound);
      expect_near(ours.second_moments, expected.second_moments, bound);
    }
  }
}

TYPED_TEST(OptimizerOnGpu, NormIsTheRootOfAllSquares) {
  for (const std::int64_t offset : {0, 1}) {
    const auto all = tensors<TypeParam>(5, offset, gpu());
    double squares = 0;
    for (const double x : numbers_of<TypeParam>(all)) squares += x * x;
    const auto norm = empty({1}, DType::f64, gpu());
    const auto chunks = empty({count_chunks(all, Backend::cuda)}, DType::f64, gpu());
    chunk_squares(Backend::cuda, {.tensors = operands<InList>(all), .y = chunks});
    root_of_sum(Backend::cuda, {.squares = chunks, .y = norm});
    EXPECT_NEAR(to_device(norm, cpu_device).item(), std::sqrt(squares), 1e-10 * std::sqrt(squares));
  }
}

}  // namespace
}  // namespace lookback::kernels
