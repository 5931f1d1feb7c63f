// Operations that write what products in bfloat16 read, beside the same in float32 and a cast: the
// same bits, forward and back, on the CPU and on a GPU.
#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "autograd/ops/add_rms_norm.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/rotated_heads.h"
#include "autograd/ops/silu_mul.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

using Bits = std::vector<std::vector<unsigned char>>;

class RoundedOperands : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (GetParam() != Backend::cuda) return;
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
  static Tensor there(const Shape& shape, double frequency) {
    return to_device(waves(shape, frequency), {.backend = GetParam()});
  }
  static Tensor leaf(const Shape& shape, double frequency) {
    const auto x = there(shape, frequency);
    set_requires_grad(x);
    return x;
  }
  // As products would read it.
  static Tensor slopes(const Shape& shape, double frequency) {
    return cast(there(shape, frequency), DType::bf16);
  }
  static std::vector<unsigned char> rounded_bits(const Tensor& x) {
    return bits_of(cast(x.detach(), DType::bf16));
  }
};

const std::vector<std::int64_t> widths = {1, 31, 32, 33, 128, 1025, 2048};

TEST_P(RoundedOperands, OfANormAreThoseOfACast) {
  for (const auto width : widths) {
    const Shape shape{3, 2, width};
    Bits bits[2];
    for (const bool fused : {true, false}) {
      const auto x = leaf(shape, 0.3), weight = leaf({width}, 1.1);
      const auto y = fused ? rms_norm(x, weight, 1e-3, Products::bfloat16)
                           : cast(rms_norm(x, weight, 1e-3), DType::bf16);
      ASSERT_EQ(y.dtype(), DType::bf16);
      backward(y, slopes(shape, 0.9));
      bits[fused] = {bits_of(y), bits_of(gradient(x)), bits_of(gradient(weight))};
    }
    EXPECT_EQ(bits[true], bits[false]) << width;
  }
}

TEST_P(RoundedOperands, OfANormOfASumAreThoseOfACast) {
  for (const auto width : widths) {
    const Shape shape{70, width};
    Bits bits[2];
    for (const bool fused : {true, false}) {
      const auto x = leaf(shape, 0.3), a = leaf(shape, 0.7), weight = leaf({width}, 1.1);
      // What takes rounded gradients, as the product that made a does.
      std::vector<unsigned char> of_a;
      const auto result =
          add_rms_norm(x, a, weight, 1e-3, fused ? Products::bfloat16 : Products::native);
      const auto y = fused ? result.normed : cast(result.normed, DType::bf16);
      const Tensor roots[] = {result.sum, y};
      const Tensor gradients[] = {there(shape, 1.3), slopes(shape, 0.9)};
      backward(roots, gradients, AfterBackward::release);
      bits[fused] = {bits_of(result.sum), bits_of(y), bits_of(gradient(x)),
                     rounded_bits(gradient(a)), bits_of(gradient(weight))};
      // The leaf's is widened again: every number of it has bfloat16's few digits.
      if (fused) {
        EXPECT_EQ(bits_of(cast(cast(gradient(a), DType::bf16), DType::f32)), bits_of(gradient(a)));
      }
    }
    EXPECT_EQ(bits[true], bits[false]) << width;
  }
}

TEST_P(RoundedOperands, OfSiluMulAreThoseOfACast) {
  for (const auto width : widths) {
    const Shape shape{3, 5, 2 * width}, half{3, 5, width};
    Bits bits[2];
    for (const bool fused : {true, false}) {
      const auto x = leaf(shape, 0.3);
      const auto y = fused ? silu_mul(x, Products::bfloat16) : cast(silu_mul(x), DType::bf16);
      ASSERT_EQ(y.dtype(), DType::bf16);
      backward(y, slopes(half, 0.9));
      bits[fused] = {bits_of(y), rounded_bits(gradient(x))};
    }
    EXPECT_EQ(bits[true], bits[false]) << width;
  }
}

RopeTables tables_of(std::int64_t width) {
  const auto tables = rope_tables(9, width, 100.0);
  const Device device{.backend = RoundedOperands::GetParam()};
  return {to_device(tables.cos, device), to_device(tables.sin, device)};
}

TEST_P(RoundedOperands, OfRopeAreThoseOfACast) {
  for (const std::int64_t width : {2, 6, 16, 64, 66}) {
    const Shape shape{2, 5, 3, width};
    const auto tables = tables_of(width);
    for (const auto result : {DType::f32, DType::bf16}) {
      Bits bits[2];
      for (const bool fused : {true, false}) {
        const auto x = leaf(shape, 0.3);
        const auto y = fused ? rope(x, tables, 3, {.result = result, .source = Products::bfloat16})
                             : cast(rope(x, tables, 3), result);
        ASSERT_EQ(y.dtype(), result);
        backward(y, cast(there(shape, 0.9), result));
        bits[fused] = {bits_of(y), rounded_bits(gradient(x))};
      }
      EXPECT_EQ(bits[true], bits[false]) << width;
    }
  }
}

TEST_P(RoundedOperands, OfHeadsAreThoseOfACast) {
  for (const std::int64_t width : {2, 6, 16, 64, 66}) {
    const Shape shape{2, 5, 8 * width};
    const auto tables = tables_of(width);
    Bits bits[2];
    for (const bool fused : {true, false}) {
      const auto x = leaf(shape, 0.3);
      const auto parts = rotated_heads(x, {4, 2}, tables, 3, fused ? DType::bf16 : DType::f32);
      std::vector<Tensor> roots, gradients;
      for (const auto& part : {parts.query, parts.key, parts.value}) {
        roots.push_back(cast(part, DType::bf16));
        gradients.push_back(slopes(part.shape(), 0.9));
        bits[fused].push_back(bits_of(roots.back()));
      }
      backward(roots, gradients, AfterBackward::release);
      bits[fused].push_back(rounded_bits(gradient(x)));
    }
    EXPECT_EQ(bits[true], bits[false]) << width;
  }
}

std::string name_of_backend(const ::testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::cuda ? "cuda" : "cpu";
}
INSTANTIATE_TEST_SUITE_P(On, RoundedOperands, ::testing::Values(Backend::cpu, Backend::cuda),
                         name_of_backend);

}  // namespace
}  // namespace lookback::testing
