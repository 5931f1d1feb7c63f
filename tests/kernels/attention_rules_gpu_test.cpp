// The kernels of a GPU that go by tiles, and those for few rows, under soft caps, slopes and
// patterns: against the formula in double, and in what they leave alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/gpu.h"
#include "tests/kernels/attention_expectations.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

constexpr std::int64_t gap = 8;  // rows begin at multiples of 16 bytes, as these kernels want it

// All of a sequence; two key heads of two heads each.
ProblemShape whole(std::int64_t rows, ProblemShape shape) {
  shape.rows = shape.keys = rows;
  shape.heads = 4;
  shape.key_heads = 2;
  shape.gap = gap;
  return shape;
}
// The newest rows of a sequence.
ProblemShape newest(std::int64_t rows, std::int64_t keys, ProblemShape shape) {
  shape = whole(rows, shape);
  shape.keys = keys;
  shape.offset = keys - rows;
  return shape;
}

// Every pattern, cap and bias, by itself and together.
std::vector<ProblemShape> rules() {
  return {{.window = 16, .dilations = {1, 2, 3, 5}},
          {.window = 64, .global_keys = {0, 33, 70}},
          {.window = 1, .random_blocks = 2, .block_size = 16},
          {.window = 100, .soft_cap = 1.5},
          {.slopes = true},
          {.window = 16,
           .soft_cap = 2,
           .slopes = true,
           .dilations = {3, 1, 2, 2},
           .global_keys = {5},
           .random_blocks = 1,
           .block_size = 3}};
}

std::vector<ProblemShape> streamed_shapes() {
  std::vector<ProblemShape> shapes;
  for (const auto& rule : rules()) {
    for (const std::int64_t rows : {1, 31, 33, 65, 130}) shapes.push_back(whole(rows, rule));
  }
  auto batch = whole(70, rules()[5]);
  batch.sequences = 2;
  batch.widths = {64};
  batch.value_width = 40;
  shapes.push_back(batch);
  batch.documents = true;
  shapes.push_back(batch);
  auto wide = whole(66, rules()[5]);
  wide.widths = {160};
  wide.value_width = 96;
  shapes.push_back(wide);
  wide.widths = {24};
  wide.value_width = 136;
  shapes.push_back(wide);
  auto pieces = whole(70, rules()[5]);
  pieces.widths = {16, 40, 8};
  pieces.value_width = 24;
  shapes.push_back(pieces);
  shapes.push_back(newest(40, 150, rules()[0]));
  shapes.push_back(newest(40, 150, rules()[2]));
  auto scattered = newest(20, 90, {.window = 30, .slopes = true, .global_keys = {1}});
  scattered.scattered_keys = true;
  shapes.push_back(scattered);
  auto early = whole(40, rules()[1]);  // the first rows see nothing
  early.offset = -7;
  shapes.push_back(early);
  shapes.push_back(whole(0, rules()[1]));
  auto without_keys = whole(3, rules()[1]);
  without_keys.keys = 0;
  shapes.push_back(without_keys);
  return shapes;
}

std::vector<ProblemShape> decoded_shapes() {
  std::vector<ProblemShape> shapes;
  for (const auto& rule : rules()) {
    for (const std::int64_t rows : {1, 2, 3, 8}) shapes.push_back(newest(rows, 150, rule));
    shapes.push_back(newest(1, 1025, rule));
    auto batch = newest(1, 70, rule);
    batch.sequences = 2;
    batch.heads = batch.key_heads = 4;
    batch.widths = {256};
    batch.value_width = 64;
    shapes.push_back(batch);
  }
  auto scattered = newest(2, 200, {.window = 30, .soft_cap = 2, .slopes = true});
  scattered.scattered_keys = true;
  shapes.push_back(scattered);
  auto documents = newest(4, 130, rules()[5]);
  documents.documents = true;
  shapes.push_back(documents);
  auto pieces = newest(2, 170, rules()[5]);
  pieces.widths = {16, 104, 8};
  shapes.push_back(pieces);
  return shapes;
}

// c eps sqrt(K), K the longest sum.
template <class T>
double bound_of(const ProblemShape& shape) {
  std::int64_t longest = shape.value_width + shape.keys;
  for (const auto width : shape.widths) longest += width;
  return epsilon_of(dtype_of<T>) * std::sqrt(static_cast<double>(longest));
}

template <class T>
class AttentionRulesOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
using Streamed = ::testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(AttentionRulesOnGpu, Streamed, ElementNames);

TYPED_TEST(AttentionRulesOnGpu, TilesAgreeWithTheFormula) {
  for (const auto& shape : streamed_shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp, 64 * epsilon_of(DType::f32),
                "log_sum_exp");
    expect_near(numbers_of(run.y), answer.y, bound_of<TypeParam>(shape), "y");
    expect_gradients<TypeParam>(run, answer, shape, bound_of<TypeParam>(shape));
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(AttentionRulesOnGpu, FewRowsAgreeWithTheFormula) {
  for (const auto& shape : decoded_shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp, 64 * epsilon_of(DType::f32),
                "log_sum_exp");
    expect_near(numbers_of(run.y), answer.y, tolerance<TypeParam>(), "y");
    if (this->HasFatalFailure()) return;
  }
}

// The weights of one run, applied to other values.
TYPED_TEST(AttentionRulesOnGpu, ReplaysGiveTheWeightsOfTheEarlierRun) {
  for (const auto& shape : {whole(70, rules()[5]), newest(2, 150, rules()[5])}) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> earlier(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run first, run;
    earlier.forward(first);
    AttentionProblem<TypeParam> problem(shape, 1, gpu());
    for (auto& x : problem.v.template elements<TypeParam>()) {
      x = static_cast<TypeParam>(1 - static_cast<float>(x));
    }
    problem.forward(run, first.log_sum_exp);
    problem.backward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.y), answer.y, bound_of<TypeParam>(shape), "y");
    expect_gradients<TypeParam>(run, answer, shape, bound_of<TypeParam>(shape));
    if (this->HasFatalFailure()) return;
  }
}

template <class T>
std::vector<Numbers> everything(const typename AttentionProblem<T>::Run& run) {
  std::vector<Numbers> all{numbers_of(run.y), numbers_of(run.log_sum_exp)};
  if (run.dq.empty()) return all;
  for (const auto& x : {run.dq[0], run.dk[0], run.dv, run.dscales}) all.push_back(numbers_of(x));
  return all;
}

TYPED_TEST(AttentionRulesOnGpu, TheSameBitsTwice) {
  for (const auto& shape : {whole(130, rules()[5]), newest(1, 1025, rules()[5])}) {
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run once, again;
    for (auto* run : {&once, &again}) {
      problem.forward(*run);
      problem.backward(*run);
    }
    EXPECT_EQ(everything<TypeParam>(once), everything<TypeParam>(again)) << shape.name();
  }
}

// Fills a key of every head, and its values.
template <class T>
void spoil(const AttentionProblem<T>& problem, std::int64_t key, double poison) {
  const auto& s = problem.shape;
  for (std::int64_t head = 0; head < s.key_heads; ++head) {
    for (const auto& x : {problem.k[0], problem.v}) {
      T* row = x.template data<T>() + key * x.strides()[1] + head * x.strides()[2];
      std::fill_n(row, x.size(3), static_cast<T>(poison));
    }
  }
}
bool seen(const ProblemShape& shape, const CausalMask& mask, std::int64_t head, std::int64_t row,
          std::int64_t key) {
  return visible_by_words(shape, mask, 0, head, row, key);
}
const double poisons[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(), 1e30};

// What no row sees changes no bit of a result or gradient.
TYPED_TEST(AttentionRulesOnGpu, KeysThatNobodySeesAreExcluded) {
  for (const auto& rule : {ProblemShape{.window = 3, .dilations = {9, 7, 9, 8}, .global_keys = {2}},
                           ProblemShape{.window = 16, .random_blocks = 1, .block_size = 3}}) {
    for (const std::int64_t rows : {2, 40}) {
      const auto shape = newest(rows, 150, rule);
      const AttentionProblem<TypeParam> clean(shape, 1, gpu());
      typename AttentionProblem<TypeParam>::Run expected;
      clean.forward(expected);
      clean.backward(expected);
      for (const double poison : poisons) {
        const AttentionProblem<TypeParam> dirty(shape, 1, gpu());
        int hidden = 0;
        for (std::int64_t key = 0; key < shape.keys; ++key) {
          bool any = false;
          for (std::int64_t head = 0; head < shape.heads; ++head) {
            for (std::int64_t row = 0; row < rows; ++row) {
              any = any || seen(shape, clean.mask, head, row, key);
            }
          }
          if (any) continue;
          spoil(dirty, key, poison);
          ++hidden;
        }
        EXPECT_GT(hidden, 20);
        typename AttentionProblem<TypeParam>::Run run;
        dirty.forward(run);
        dirty.backward(run);
        EXPECT_EQ(everything<TypeParam>(run), everything<TypeParam>(expected))
            << shape.name() << " poison " << poison;
      }
    }
  }
}

// Rows that do not see a poisoned key keep their bits; those that do show it.
TYPED_TEST(AttentionRulesOnGpu, KeysThatARowDoesNotSeeAreExcluded) {
  for (const auto& shape : {whole(130, rules()[0]), whole(130, rules()[1]), whole(70, rules()[2]),
                            whole(70, rules()[5]), newest(4, 150, rules()[5])}) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> clean(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run expected;
    clean.forward(expected);
    clean.backward(expected);
    const auto key = shape.offset + shape.rows / 2 - 1;
    for (const double poison : poisons) {
      const AttentionProblem<TypeParam> dirty(shape, 1, gpu());
      spoil(dirty, key, poison);
      typename AttentionProblem<TypeParam>::Run run;
      dirty.forward(run);
      dirty.backward(run);
      int hidden = 0;
      const auto compare = [&](const Tensor& x, const Tensor& y) {
        const auto a = numbers_of(x), b = numbers_of(y);
        const auto width = x.size(3);
        for (std::int64_t i = 0; i < shape.rows * shape.heads; ++i) {
          const auto first = static_cast<std::ptrdiff_t>(i * width);
          const bool same =
              std::equal(a.begin() + first, a.begin() + first + width, b.begin() + first);
          const bool sees = seen(shape, clean.mask, i % shape.heads, i / shape.heads, key);
          if (!sees) {
            ASSERT_TRUE(same) << "row " << i / shape.heads << " poison " << poison;
          }
          if (sees && !std::isfinite(poison)) {
            ASSERT_FALSE(std::isfinite(a[static_cast<std::size_t>(first)])) << i << " " << poison;
          }
          hidden += sees ? 0 : 1;
        }
      };
      compare(run.y, expected.y);
      compare(run.dq[0], expected.dq[0]);
      EXPECT_GT(hidden, shape.rows / 2);
      if (this->HasFatalFailure()) return;
    }
  }
}

// The tensor cores' rounding of weights shows that tiles were taken: bf16 rows that begin elsewhere
// go row by row.
TEST(AttentionRulesOnGpuByTiles, AreTakenWhereRowsBeginAtSixteenBytes) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  for (const auto& rule : rules()) {
    const auto results = [&](std::int64_t spare) {
      auto shape = whole(70, rule);
      const AttentionProblem<BFloat16> aligned(shape, 1, gpu());
      shape.gap = spare;
      AttentionProblem<BFloat16> problem(shape, 1, gpu());
      for (const auto& [to, from] :
           {std::pair{problem.q[0], aligned.q[0]}, std::pair{problem.k[0], aligned.k[0]}}) {
        for (std::int64_t row = 0; row < 70 * to.size(2); ++row) {
          std::copy_n(from.template data<BFloat16>() + row * (8 + gap), 8,
                      to.template data<BFloat16>() + row * (8 + spare));
        }
      }
      problem.v = aligned.v;
      problem.dy = aligned.dy;
      problem.scales = aligned.scales;
      problem.slopes = aligned.slopes;
      problem.mask = aligned.mask;
      AttentionProblem<BFloat16>::Run run;
      problem.forward(run);
      problem.backward(run);
      return everything<BFloat16>(run);
    };
    const auto by_tiles = results(8), by_rows = results(3);
    EXPECT_EQ(by_tiles, results(16)) << rule.name();
    EXPECT_EQ(by_rows, results(5)) << rule.name();
    EXPECT_NE(by_tiles[0], by_rows[0]) << rule.name();
    for (const std::size_t gradient : {2, 3, 4}) {
      // Of a window of one key, the gradients of scores are 0 either way.
      EXPECT_NE(by_tiles[gradient], by_rows[gradient]) << rule.name() << " " << gradient;
    }
  }
}

}  // namespace
}  // namespace lookback::kernels
