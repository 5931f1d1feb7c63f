// Attention of few rows over many keys on a GPU, against the formula in double: cache lengths
// around those of tiles and splits, groups of any size, windows, documents, pieces, replays.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/attention.h"
#include "tests/gpu.h"
#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

// The newest `rows` of a sequence of `keys`.
ProblemShape newest(std::int64_t rows, std::int64_t keys, ProblemShape shape) {
  shape.rows = rows;
  shape.keys = keys;
  shape.offset = keys - rows;
  shape.gap = 8;
  return shape;
}

std::vector<ProblemShape> decoded_shapes() {
  std::vector<ProblemShape> shapes;
  for (const std::int64_t keys : {1, 2, 31, 33, 64, 65, 128, 129, 321, 1025}) {
    shapes.push_back(
        newest(1, keys, {.heads = 4, .key_heads = 2, .widths = {64}, .value_width = 64}));
  }
  const auto grouped = [](std::int64_t heads, std::int64_t key_heads, std::int64_t width) {
    return ProblemShape{.sequences = 2,
                        .heads = heads,
                        .key_heads = key_heads,
                        .widths = {width},
                        .value_width = width};
  };
  for (const std::int64_t width : {8, 24, 96, 128, 192, 256}) {
    shapes.push_back(newest(1, 200, grouped(3, 3, width)));
    shapes.push_back(newest(1, 200, grouped(8, 2, width)));
  }
  shapes.push_back(newest(1, 150, grouped(12, 1, 32)));
  shapes.push_back(newest(1, 150, grouped(5, 1, 32)));
  for (const std::int64_t rows : {2, 3, 5, 8}) {
    shapes.push_back(newest(rows, 140, grouped(6, 2, 40)));
    auto within = newest(rows, 300, grouped(2, 1, 40));
    within.window = 100;
    shapes.push_back(within);
    within.window = 2;
    shapes.push_back(within);
  }
  auto documents = newest(4, 130, grouped(4, 2, 64));
  documents.documents = true;
  shapes.push_back(documents);
  auto longer = newest(3, 90, grouped(4, 2, 64));  // the cache has room for more
  longer.keys = 130;
  shapes.push_back(longer);
  auto early = newest(5, 80, grouped(4, 2, 64));  // the first rows see nothing
  early.offset = -3;
  shapes.push_back(early);
  auto other_values = newest(1, 333, grouped(4, 1, 64));
  other_values.value_width = 160;
  shapes.push_back(other_values);
  other_values.value_width = 8;
  shapes.push_back(other_values);
  auto pieces = newest(2, 170, grouped(4, 2, 64));
  pieces.widths = {16, 104, 8};
  shapes.push_back(pieces);
  return shapes;
}

// |ours - expected| <= bound for all, relative to one; infinities are equal.
void expect_near(const Tensor& ours, const Numbers& expected, double bound) {
  const auto got = numbers_of(ours);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isinf(expected[i])) {
      ASSERT_EQ(got[i], expected[i]) << i;
    } else {
      ASSERT_NEAR(got[i], expected[i], bound) << i;
    }
  }
}

template <class T>
void expect_answer(const typename AttentionProblem<T>::Run& run,
                   const AttentionProblem<T>& problem) {
  const auto answer = problem.answer();
  // Results of bf16 are rounded once; the sums are of f32 in both.
  const double sums = 40 * epsilon_of(DType::f32);
  expect_near(run.y, answer.y, sums + (std::is_same_v<T, BFloat16> ? epsilon_of(DType::bf16) : 0));
  expect_near(run.log_sum_exp, answer.log_sum_exp, 4 * sums);
}

template <class T>
class AttentionDecodeOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
struct DecodedElements {
  template <class T>
  static std::string GetName(int) {
    return std::string(name_of(dtype_of<T>));
  }
};
using Decoded = ::testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(AttentionDecodeOnGpu, Decoded, DecodedElements);

TYPED_TEST(AttentionDecodeOnGpu, AgreesWithTheFormula) {
  for (const auto& shape : decoded_shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    expect_answer(run, problem);
    if (this->HasFatalFailure()) return;
  }
}

// The log-sum-exps of one run, with other values.
TYPED_TEST(AttentionDecodeOnGpu, ReplaysTheWeightsOfAnEarlierRun) {
  for (const auto& shape : decoded_shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> earlier(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run first, run;
    earlier.forward(first);
    AttentionProblem<TypeParam> problem(shape, 2, gpu());
    problem.q = earlier.q;
    problem.k = earlier.k;
    problem.scales = earlier.scales;
    problem.forward(run, first.log_sum_exp);
    expect_answer(run, problem);
    if (this->HasFatalFailure()) return;
  }
}

// One row alone gets what it gets among others, but for the order of sums.
TYPED_TEST(AttentionDecodeOnGpu, TheSameBitsTwice) {
  for (const auto& shape : decoded_shapes()) {
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run once, again;
    problem.forward(once);
    problem.forward(again);
    EXPECT_EQ(numbers_of(once.y), numbers_of(again.y)) << shape.name();
    EXPECT_EQ(numbers_of(once.log_sum_exp), numbers_of(again.log_sum_exp)) << shape.name();
  }
}

// What a row does not see changes no bit of it, whatever it holds.
TYPED_TEST(AttentionDecodeOnGpu, HiddenKeysAreExcluded) {
  auto shape = newest(4, 190, {.heads = 4, .key_heads = 2, .widths = {64}, .value_width = 64});
  shape.keys = 210;
  shape.window = 70;
  const AttentionProblem<TypeParam> clean(shape, 1, gpu());
  typename AttentionProblem<TypeParam>::Run expected;
  clean.forward(expected);
  for (const double poison :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e30}) {
    // Row t sees the keys from 117 + t to 186 + t.
    const AttentionProblem<TypeParam> dirty(shape, 1, gpu());
    const auto spoil = [&](const Tensor& x, std::int64_t key) {
      for (std::int64_t i = 0; i < x.strides()[1]; ++i) {
        x.data<TypeParam>()[key * x.strides()[1] + i] = static_cast<TypeParam>(poison);
      }
    };
    for (std::int64_t key = 0; key < shape.keys; ++key) {
      if (key >= 118 && key < 188) continue;  // the second row is left clean
      if (key + 1 == shape.keys) continue;    // views end with their last row
      spoil(dirty.k[0], key);
      spoil(dirty.v, key);
    }
    typename AttentionProblem<TypeParam>::Run run;
    dirty.forward(run);
    const auto y = numbers_of(run.y), whole = numbers_of(expected.y);
    for (std::size_t i = 4 * 64; i < 8 * 64; ++i) ASSERT_EQ(y[i], whole[i]) << i << " " << poison;
    for (const std::size_t row : {0, 2, 3}) {
      EXPECT_TRUE(std::isfinite(poison) || !std::isfinite(y[row * 4 * 64])) << row;
    }
  }
}

TYPED_TEST(AttentionDecodeOnGpu, NanOfAQueryStaysInItsRow) {
  const auto shape =
      newest(2, 300, {.heads = 2, .key_heads = 1, .widths = {64}, .value_width = 64});
  const AttentionProblem<TypeParam> problem(shape, 1, gpu());
  problem.q[0].template data<TypeParam>()[64 + 8] = static_cast<TypeParam>(NAN);  // row 0, head 1
  typename AttentionProblem<TypeParam>::Run run;
  problem.forward(run);
  const auto y = numbers_of(run.y), log_sum_exp = numbers_of(run.log_sum_exp);
  for (std::size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(std::isnan(y[row * 64 + 5]), row == 1) << row;
    EXPECT_EQ(std::isnan(log_sum_exp[row % 2 * 2 + row / 2]), row == 1) << row;
  }
}

}  // namespace
}  // namespace lookback::kernels
