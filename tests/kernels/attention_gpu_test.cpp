// Attention on a GPU against the formula in double: the explicit kernels, and the streaming ones,
// which take operands whose rows begin at multiples of 16 bytes.
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

// Every number of rows, head size, kind of mask and grouping meets every other kind of trouble in
// some shape; rows are 16 bytes apart from what follows.
std::vector<ProblemShape> streamed_shapes() {
  std::vector<ProblemShape> shapes{
      {.sequences = 2,
       .rows = 65,
       .keys = 65,
       .heads = 3,
       .key_heads = 1,
       .widths = {64},
       .value_width = 64},
      {.rows = 130, .keys = 130, .heads = 2, .key_heads = 2, .widths = {32}, .value_width = 32},
      {.rows = 33, .keys = 70, .widths = {128}, .value_width = 128, .offset = 37},
      {.rows = 31, .keys = 31, .heads = 3, .key_heads = 3, .widths = {8}, .value_width = 24},
      {.rows = 7,
       .keys = 130,
       .heads = 3,
       .key_heads = 1,
       .widths = {40},
       .value_width = 96,
       .offset = 123},
      {.sequences = 2,
       .rows = 1,
       .keys = 65,
       .heads = 6,
       .key_heads = 2,
       .widths = {96},
       .value_width = 64,
       .offset = 64},
      {.rows = 64, .keys = 64, .widths = {256}, .value_width = 256},
      {.rows = 65, .keys = 90, .widths = {160}, .value_width = 40, .offset = 25, .window = 9},
      {.rows = 130, .keys = 130, .widths = {24}, .value_width = 160, .window = 33},
      {.sequences = 2,
       .rows = 64,
       .keys = 64,
       .heads = 2,
       .key_heads = 1,
       .widths = {32},
       .value_width = 64,
       .documents = true},
      {.rows = 33,
       .keys = 64,
       .heads = 3,
       .key_heads = 1,
       .widths = {16, 40, 8},
       .value_width = 24,
       .offset = 31},
      {.rows = 65,
       .keys = 65,
       .heads = 2,
       .key_heads = 1,
       .widths = {64, 32},
       .value_width = 96,
       .window = 40,
       .documents = true},
      {.rows = 70,
       .keys = 75,
       .heads = 2,
       .key_heads = 1,
       .widths = {8, 32, 40, 16, 64, 24},
       .value_width = 40,
       .offset = 5},
      {.rows = 31, .keys = 80, .widths = {192, 192}, .value_width = 128, .offset = 49},
      {.rows = 129, .keys = 129, .widths = {192}, .value_width = 192},
      {.rows = 129, .keys = 129, .widths = {128}, .value_width = 96},
      {.rows = 1, .keys = 129, .widths = {96}, .value_width = 256, .offset = 128},
      {.rows = 65, .keys = 129, .widths = {96}, .value_width = 96, .offset = 64},
      {.rows = 33, .keys = 33, .widths = {96, 40}, .value_width = 256},
      {.rows = 70, .keys = 3, .widths = {32}, .value_width = 32},                  // few keys
      {.rows = 40, .keys = 90, .widths = {32}, .value_width = 32, .offset = -20},  // see nothing
      {.rows = 3, .keys = 0, .widths = {32}, .value_width = 32},
      {.rows = 0, .keys = 3, .widths = {32}, .value_width = 32},
  };
  for (auto& shape : shapes) shape.gap = 8;
  return shapes;
}

std::vector<ProblemShape> other_shapes() {
  return {{.sequences = 2, .rows = 33, .keys = 33, .heads = 4, .key_heads = 2},
          {.rows = 65, .keys = 65, .heads = 6, .key_heads = 2, .widths = {5}, .value_width = 11},
          {.rows = 31, .keys = 130, .widths = {4, 8, 3}, .value_width = 140, .offset = 99},
          {.rows = 20, .keys = 20, .widths = {264}, .value_width = 8, .gap = 8},
          {.rows = 20, .keys = 50, .offset = 30, .window = 12, .documents = true},
          {.rows = 33, .keys = 40, .heads = 4, .offset = 7, .soft_cap = 1.5, .slopes = true},
          {.rows = 1, .keys = 40, .heads = 4, .offset = 39, .gap = 8, .soft_cap = 2},
          {.rows = 65, .keys = 65, .heads = 3, .window = 20, .gap = 8, .slopes = true},
          {.rows = 4, .keys = 6, .offset = -2},
          {.rows = 3, .keys = 0},
          {.rows = 0, .keys = 3}};
}

double largest(const Numbers& numbers) {
  double most = 0;
  for (const double x : numbers) most = std::isfinite(x) ? std::max(most, std::abs(x)) : most;
  return most;
}

// |got - expected| <= bound, relative to the largest expected and to one; infinities are equal.
void expect_near(const Numbers& got, const Numbers& expected, double bound, const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  const double allowed = bound * std::max(1.0, largest(expected));
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isinf(expected[i])) {
      ASSERT_EQ(got[i], expected[i]) << what << " " << i;
    } else {
      ASSERT_NEAR(got[i], expected[i], allowed) << what << " " << i;
    }
  }
}

// c eps sqrt(K), K the longest sum.
template <class T>
double bound_of(const ProblemShape& shape, double factor) {
  std::int64_t longest = shape.value_width + shape.keys;
  for (const auto width : shape.widths) longest += width;
  return factor * epsilon_of(dtype_of<T>) * std::sqrt(static_cast<double>(longest));
}

template <class T>
void expect_answer(const typename AttentionProblem<T>::Run& run, const AttentionAnswer& answer,
                   const ProblemShape& shape) {
  expect_near(numbers_of(run.y), answer.y, bound_of<T>(shape, 1), "y");
  const double gradient =
      bound_of<T>(shape, 2) * std::sqrt(static_cast<double>(shape.heads / shape.key_heads));
  for (std::size_t p = 0; p < answer.dq.size(); ++p) {
    expect_near(numbers_of(run.dq[p]), answer.dq[p], gradient, "dq");
    expect_near(numbers_of(run.dk[p]), answer.dk[p], gradient, "dk");
  }
  expect_near(numbers_of(run.dv), answer.dv, gradient, "dv");
  const double rows = std::sqrt(static_cast<double>(shape.sequences * shape.rows * shape.heads));
  expect_near(numbers_of(run.dscales), answer.dscales, gradient * (1 + rows), "dscales");
}

template <class T>
class AttentionOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
struct ElementNames {
  template <class T>
  static std::string GetName(int) {
    return std::string(name_of(dtype_of<T>));
  }
};
using Elements = ::testing::Types<float, double, BFloat16>;
TYPED_TEST_SUITE(AttentionOnGpu, Elements, ElementNames);

template <class T>
std::vector<ProblemShape> shapes_for() {
  auto shapes = other_shapes();
  if constexpr (!std::is_same_v<T, double>) {
    for (const auto& shape : streamed_shapes()) shapes.push_back(shape);
  }
  return shapes;
}

TYPED_TEST(AttentionOnGpu, AgreesWithTheFormula) {
  for (const auto& shape : shapes_for<TypeParam>()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp,
                64 * epsilon_of(accumulator_of(dtype_of<TypeParam>)), "log_sum_exp");
    expect_answer<TypeParam>(run, answer, shape);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(AttentionOnGpu, ExplicitWeightsAgreeWithTheFormula) {
  for (const auto& shape : other_shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    const auto weights = problem.explicit_weights();
    const auto run = problem.explicit_run(weights);
    const auto answer = problem.answer();
    expect_near(numbers_of(weights), answer.weights, bound_of<TypeParam>(shape, 1), "weights");
    expect_answer<TypeParam>(run, answer, shape);
    if (this->HasFatalFailure()) return;
  }
}

// The weights of one run, applied to other values with another head size.
TYPED_TEST(AttentionOnGpu, ReplayGivesTheWeightsOfTheEarlierRun) {
  for (const auto& shape :
       {other_shapes()[0], streamed_shapes()[0], streamed_shapes()[10], streamed_shapes()[20]}) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> earlier(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run first;
    earlier.forward(first);
    auto other_values = shape;
    other_values.value_width += 8;
    AttentionProblem<TypeParam> problem(other_values, 1, gpu());
    problem.q = earlier.q;
    problem.k = earlier.k;
    problem.scales = earlier.scales;
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run, first.log_sum_exp);
    problem.backward(run);
    expect_answer<TypeParam>(run, problem.answer(), other_values);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(AttentionOnGpu, BackwardAddsToTheGradientsOfQueriesAndKeys) {
  for (const auto& shape : {other_shapes()[0], streamed_shapes()[0]}) {
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    problem.backward(run);
    auto answer = problem.answer();
    for (auto* gradients : {&answer.dq, &answer.dk}) {
      for (auto& gradient : *gradients) {
        for (double& x : gradient) x *= 2;
      }
    }
    expect_answer<TypeParam>(run, answer, shape);
    if (this->HasFatalFailure()) return;
  }
}

std::vector<Numbers> everything(const auto& run) {
  return {numbers_of(run.y),     numbers_of(run.log_sum_exp), numbers_of(run.dq[0]),
          numbers_of(run.dk[0]), numbers_of(run.dv),          numbers_of(run.dscales)};
}

TYPED_TEST(AttentionOnGpu, TheSameBitsTwice) {
  for (const auto& shape : {other_shapes()[1], streamed_shapes()[0], streamed_shapes()[11]}) {
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run once, again;
    for (auto* run : {&once, &again}) {
      problem.forward(*run);
      problem.backward(*run);
    }
    EXPECT_EQ(everything(once), everything(again)) << shape.name();
  }
}

// Fills keys and values [first, last) with `poison`.
template <class T>
void spoil(const AttentionProblem<T>& problem, std::int64_t first, std::int64_t last,
           double poison) {
  const auto row = problem.k[0].strides()[1];
  const auto value_row = problem.v.strides()[1];
  for (auto s = first; s < last; ++s) {
    for (std::int64_t d = 0; d < row; ++d) {
      problem.k[0].template data<T>()[s * row + d] = static_cast<T>(poison);
    }
    for (std::int64_t d = 0; d < value_row; ++d) {
      problem.v.template data<T>()[s * value_row + d] = static_cast<T>(poison);
    }
  }
}
const double poisons[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(), 1e30, -3.0};

// What no row sees changes no bit of a result or gradient.
TYPED_TEST(AttentionOnGpu, KeysThatNobodySeesAreExcluded) {
  for (const std::int64_t gap : {3, 8}) {
    const ProblemShape shape{.rows = 40,
                             .keys = 100,
                             .heads = 2,
                             .key_heads = 1,
                             .widths = {40},
                             .value_width = 24,
                             .offset = 30,
                             .window = 12,
                             .gap = gap};
    const AttentionProblem<TypeParam> clean(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run expected;
    clean.forward(expected);
    clean.backward(expected);
    for (const double poison : poisons) {
      const AttentionProblem<TypeParam> dirty(shape, 1, gpu());
      spoil(dirty, 0, 19, poison);
      spoil(dirty, 70, 100, poison);
      typename AttentionProblem<TypeParam>::Run run;
      dirty.forward(run);
      dirty.backward(run);
      EXPECT_EQ(everything(run), everything(expected)) << "poison " << poison << " gap " << gap;
    }
  }
}

// Rows before the first that sees a poisoned key keep their bits; those that see one show it.
TYPED_TEST(AttentionOnGpu, KeysThatARowDoesNotSeeAreExcluded) {
  constexpr std::int64_t cut = 41;
  for (const std::int64_t gap : {3, 8}) {
    const ProblemShape shape{
        .rows = 70, .keys = 70, .heads = 2, .key_heads = 1, .widths = {24}, .gap = gap};
    const AttentionProblem<TypeParam> clean(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run expected;
    clean.forward(expected);
    clean.backward(expected);
    for (const double poison : poisons) {
      const AttentionProblem<TypeParam> dirty(shape, 1, gpu());
      spoil(dirty, cut, shape.keys, poison);
      typename AttentionProblem<TypeParam>::Run run;
      dirty.forward(run);
      dirty.backward(run);
      const auto compare = [&](const Tensor& x, const Tensor& y, std::int64_t row) {
        const auto a = numbers_of(x), b = numbers_of(y);
        const auto count = static_cast<std::size_t>(cut * row);
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(a[i], b[i]) << i << " poison " << poison;
        EXPECT_TRUE(std::isfinite(poison) || !std::isfinite(a[count])) << poison;
      };
      compare(run.y, expected.y, 2 * shape.value_width);
      compare(run.dq[0], expected.dq[0], 2 * shape.widths[0]);
    }
  }
}

// Values that are no numbers reach the rows that see them, though their tile is cleaned.
TYPED_TEST(AttentionOnGpu, InfiniteValuesAreSeen) {
  const ProblemShape shape{.rows = 70, .keys = 70, .widths = {24}, .gap = 8};
  const AttentionProblem<TypeParam> problem(shape, 1, gpu());
  problem.v.template data<TypeParam>()[50 * 8 + 3] =
      static_cast<TypeParam>(-std::numeric_limits<double>::infinity());
  typename AttentionProblem<TypeParam>::Run run;
  problem.forward(run);
  const auto y = numbers_of(run.y);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (i / 8 >= 50 && i % 8 == 3) {
      EXPECT_EQ(y[i], -std::numeric_limits<double>::infinity()) << i;
    } else {
      EXPECT_TRUE(std::isfinite(y[i])) << i;
    }
  }
}

// A NaN in a row's own query is seen in all that the row gives, and in no other row.
TYPED_TEST(AttentionOnGpu, NanOfAQueryIsNotSwallowed) {
  for (const std::int64_t gap : {3, 8}) {
    const ProblemShape shape{.rows = 70, .keys = 70, .widths = {24}, .gap = gap};
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    problem.q[0].template data<TypeParam>()[50 * (24 + gap)] = static_cast<TypeParam>(NAN);
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    const auto y = numbers_of(run.y), log_sum_exp = numbers_of(run.log_sum_exp);
    for (std::size_t t = 0; t < 70; ++t) {
      EXPECT_EQ(std::isnan(y[t * 8]), t == 50) << t;
      EXPECT_EQ(std::isnan(log_sum_exp[t]), t == 50) << t;
    }
  }
}

// The tensor cores' rounding of weights shows that the streaming kernels ran: bf16 rows that begin
// elsewhere go the explicit way.
TEST(AttentionKernelsOnGpu, StreamWhereRowsBeginAtSixteenBytes) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  const auto y_with = [](std::int64_t gap) {
    const ProblemShape shape{.rows = 70, .keys = 70, .widths = {64}, .value_width = 64, .gap = gap};
    const AttentionProblem<BFloat16> aligned(
        {.rows = 70, .keys = 70, .widths = {64}, .value_width = 64, .gap = 8}, 1, gpu());
    AttentionProblem<BFloat16> problem(shape, 1, gpu());
    for (std::int64_t row = 0; row < 70; ++row) {
      for (std::int64_t d = 0; d < 64; ++d) {
        for (const auto& [to, from] :
             {std::pair{problem.q[0], aligned.q[0]}, std::pair{problem.k[0], aligned.k[0]}}) {
          to.data<BFloat16>()[row * (64 + gap) + d] = from.data<BFloat16>()[row * 72 + d];
        }
      }
    }
    problem.v = aligned.v;
    AttentionProblem<BFloat16>::Run run;
    problem.forward(run);
    return numbers_of(run.y);
  };
  EXPECT_EQ(y_with(8), y_with(16));
  EXPECT_EQ(y_with(3), y_with(5));
  EXPECT_NE(y_with(8), y_with(3));
}

}  // namespace
}  // namespace lookback::kernels
