// Every operation on a GPU, from the same cases as on the CPU: forward and gradients in f64, f32
// and bf16 against the CPU in f64, with contiguous and with strided inputs.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

Inputs on(Device device, const Inputs& inputs) {
  Inputs moved;
  for (const auto& x : inputs) moved.push_back(to_device(x, device));
  return moved;
}

Inputs all_scattered(const Inputs& inputs) {
  Inputs result;
  for (const auto& x : inputs) result.push_back(scattered(x));
  return result;
}

class OperationOnGpu : public ::testing::TestWithParam<const OpCase*> {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
  const OpCaseOptions& options() const { return GetParam()->options; }

  // The bound of a gradient is looser than that of the result: it may sum over the result's
  // elements, and bf16 rounds what it is made of more than once.
  void compare(const Shapes& shapes, DType dtype, double scale,
               const std::function<Inputs(const Inputs&)>& laid_out) const {
    const auto inputs = as_dtype(drawn_inputs(options(), shapes, scale), dtype);
    const auto expected = run_with_gradients(options(), as_dtype(inputs, DType::f64));
    const auto ours = run_with_gradients(options(), laid_out(on(gpu(), inputs)));
    ASSERT_EQ(ours.y.device(), gpu());
    ASSERT_EQ(ours.y.shape(), expected.y.shape());
    std::int64_t elements = 1;
    for (const auto& shape : shapes) elements = std::max(elements, shape.numel());
    const double terms = options().terms ? std::max(1.0, options().terms(shapes)) : 1.0;
    expect_close(to_doubles(ours.y), to_doubles(expected.y), options().factor * std::sqrt(terms),
                 ours.y.dtype());
    ASSERT_EQ(ours.gradients.size(), expected.gradients.size());
    for (std::size_t i = 0; i < ours.gradients.size(); ++i) {
      SCOPED_TRACE("gradient " + std::to_string(i));
      expect_close(to_doubles(ours.gradients[i]), to_doubles(expected.gradients[i]),
                   4 * options().factor * std::sqrt(static_cast<double>(elements)), dtype);
    }
  }
};

TEST_P(OperationOnGpu, MatchesTheCpuInDouble) {
  for (const auto& shapes : options().shapes) {
    for (const auto dtype : options().dtypes) {
      SCOPED_TRACE(::testing::PrintToString(shapes.size()) + " inputs, the first " +
                   to_string(shapes[0]) + " " + std::string(name_of(dtype)));
      compare(shapes, dtype, 1, [](const Inputs& inputs) { return inputs; });
    }
  }
}

TEST_P(OperationOnGpu, ReadsStridedInputs) {
  for (const auto& shapes : options().shapes) {
    SCOPED_TRACE(to_string(shapes[0]));
    compare(shapes, options().dtypes.back() == DType::f64 ? DType::f64 : DType::f32, 1,
            all_scattered);
  }
}

TEST_P(OperationOnGpu, TheSameBitsTwice) {
  for (const auto& shapes : options().shapes) {
    SCOPED_TRACE(to_string(shapes[0]));
    const auto dtype = options().dtypes.back() == DType::f64 ? DType::f64 : DType::f32;
    const auto inputs = on(gpu(), as_dtype(drawn_inputs(options(), shapes, 1), dtype));
    const auto once = run_with_gradients(options(), inputs);
    const auto again = run_with_gradients(options(), inputs);
    EXPECT_EQ(bits_of(once.y), bits_of(again.y));
    for (std::size_t i = 0; i < once.gradients.size(); ++i) {
      EXPECT_EQ(bits_of(once.gradients[i]), bits_of(again.gradients[i])) << "gradient " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OperationOnGpu, ::testing::ValuesIn(OpCase::all()),
                         [](const ::testing::TestParamInfo<const OpCase*>& instance) {
                           return test_name(*instance.param);
                         });

}  // namespace
}  // namespace lookback::testing
