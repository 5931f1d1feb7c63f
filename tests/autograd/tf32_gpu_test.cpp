// float32 products whose operands are rounded to TF32, where the user asks for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops/matmul.h"
#include "autograd/ops/to_vector.h"
#include "runtime/float_products.h"
#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

class Tf32OnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

std::vector<double> product_on_gpu(DType dtype, FloatProducts how) {
  const UseFloatProducts use(how);
  const auto wave = [&](const Shape& shape, double start) {
    return converted(
        make_f64(shape, [&](auto i) { return std::sin(1.7 * static_cast<double>(i) + start); }),
        dtype);
  };
  // Rows of 16 bytes: for others cuBLAS may take a kernel that rounds nothing.
  const auto x = wave({40, 64}, 1), y = wave({64, 24}, 2);
  return to_vector(matmul(to_device(x, gpu()), to_device(y, gpu())));
}

TEST_F(Tf32OnGpu, RoundsTheOperandsOfFloat32Alone) {
  const auto exact = product_on_gpu(DType::f64, FloatProducts::full);
  const auto full = product_on_gpu(DType::f32, FloatProducts::full);
  const auto rounded = product_on_gpu(DType::f32, FloatProducts::tf32);
  const auto error = [&](const std::vector<double>& ours) {
    double largest = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      largest = std::max(largest, std::abs(ours[i] - exact[i]));
    }
    return largest;
  };
  const double unit = std::sqrt(64.0);  // of a sum of 64 products
  EXPECT_LT(error(full), 1e-6 * unit);
  EXPECT_GT(error(rounded), 1e-5 * unit);
  EXPECT_LT(error(rounded), 4e-3 * unit);
  for (const auto dtype : {DType::f64, DType::bf16}) {
    EXPECT_EQ(product_on_gpu(dtype, FloatProducts::tf32),
              product_on_gpu(dtype, FloatProducts::full));
  }
}

}  // namespace
}  // namespace lookback::testing
