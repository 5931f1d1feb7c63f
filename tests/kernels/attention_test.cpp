#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/parallel.h"
#include "tests/kernels/attention_expectations.h"

namespace lookback::kernels {
namespace {

const std::vector<ProblemShape>& shapes() {
  static const std::vector<ProblemShape> all{
      {.sequences = 2, .rows = 33, .keys = 33, .heads = 4, .key_heads = 2},
      {.rows = 65, .keys = 65, .heads = 6, .key_heads = 1, .widths = {5}, .value_width = 11},
      {.rows = 130, .keys = 130, .heads = 2, .key_heads = 2, .widths = {32}, .value_width = 16},
      {.rows = 31, .keys = 130, .heads = 2, .key_heads = 1, .widths = {4, 8, 3}, .offset = 99},
      {.sequences = 2, .rows = 1, .keys = 65, .heads = 8, .key_heads = 2, .offset = 64},
      {.rows = 1, .keys = 300, .heads = 3, .key_heads = 1, .offset = 299},
      {.rows = 70, .keys = 70, .heads = 2, .key_heads = 1, .window = 5},
      {.rows = 300, .keys = 300, .window = 33},
      {.sequences = 2, .rows = 65, .keys = 65, .heads = 2, .key_heads = 1, .documents = true},
      {.rows = 20,
       .keys = 50,
       .heads = 2,
       .key_heads = 2,
       .offset = 30,
       .window = 12,
       .documents = true},
      {.rows = 5, .keys = 3},                // more rows than keys
      {.rows = 4, .keys = 6, .offset = -2},  // rows that see nothing
      {.rows = 3, .keys = 0},
      {.rows = 0, .keys = 3},
      {.sequences = 0, .rows = 3, .keys = 3},
      {.rows = 1, .keys = 1, .widths = {1}, .value_width = 1},
      {.rows = 270,
       .keys = 600,
       .heads = 2,
       .key_heads = 1,
       .widths = {3, 2},
       .value_width = 4,
       .offset = 330},
      {.sequences = 2, .rows = 33, .keys = 33, .heads = 4, .key_heads = 2, .soft_cap = 0.75},
      {.sequences = 2,
       .rows = 1,
       .keys = 65,
       .heads = 8,
       .key_heads = 2,
       .offset = 64,
       .soft_cap = 2,
       .slopes = true},
      {.rows = 70, .keys = 300, .heads = 3, .key_heads = 1, .offset = 230, .slopes = true},
      {.rows = 65,
       .keys = 65,
       .heads = 2,
       .key_heads = 1,
       .widths = {4, 3},
       .window = 40,
       .documents = true,
       .soft_cap = 1.5,
       .slopes = true},
      {.rows = 1100, .keys = 1100, .heads = 2, .key_heads = 1, .widths = {4}, .value_width = 4},
  };
  return all;
}

template <class T>
class Attention : public ::testing::Test {};
TYPED_TEST_SUITE(Attention, Elements, ElementNames);

TYPED_TEST(Attention, StreamingAgreesWithTheFormula) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape);
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    const double bound = tolerance<TypeParam>();
    expect_near(numbers_of(run.y), answer.y, bound, "y");
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp,
                64 * epsilon_of(accumulator_of(dtype_of<TypeParam>)), "log_sum_exp");
    expect_gradients<TypeParam>(run, answer, shape, bound);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(Attention, ExplicitWeightsAgreeWithTheFormula) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape);
    const auto weights = problem.explicit_weights();
    const auto run = problem.explicit_run(weights);
    const auto answer = problem.answer();
    const double bound = tolerance<TypeParam>();
    expect_near(numbers_of(weights), answer.weights, bound, "weights");
    expect_near(numbers_of(run.y), answer.y, 2 * bound, "y");
    expect_gradients<TypeParam>(run, answer, shape, 4 * bound);
    if (this->HasFatalFailure()) return;
  }
}

// The weights of one run, applied to other values with another head size; the log-sum-exp counts as
// a function of q and k.
TYPED_TEST(Attention, ReplayGivesTheWeightsOfTheEarlierRun) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    typename AttentionProblem<TypeParam>::Run first;
    AttentionProblem<TypeParam>(shape).forward(first);
    auto other_values = shape;
    other_values.value_width += 3;
    AttentionProblem<TypeParam> problem(other_values);
    typename AttentionProblem<TypeParam>::Run run;
    problem.q = AttentionProblem<TypeParam>(shape).q;
    problem.k = AttentionProblem<TypeParam>(shape).k;
    problem.scales = AttentionProblem<TypeParam>(shape).scales;
    problem.forward(run, first.log_sum_exp);
    problem.backward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.y), answer.y, tolerance<TypeParam>(), "y");
    expect_gradients<TypeParam>(run, answer, other_values, tolerance<TypeParam>());
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(Attention, BackwardAddsToTheGradientsOfQueriesAndKeys) {
  for (const auto& shape : {shapes()[3], shapes().back()}) {
    const AttentionProblem<TypeParam> problem(shape);
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    for (std::size_t p = 0; p < run.dq.size(); ++p) {
      const auto dq = numbers_of(run.dq[p]);
      const auto dk = numbers_of(run.dk[p]);
      for (std::size_t i = 0; i < dq.size(); ++i) {
        ASSERT_NEAR(dq[i], 2 * answer.dq[p][i],
                    16 * tolerance<TypeParam>() * (1 + std::abs(dq[i])));
      }
      for (std::size_t i = 0; i < dk.size(); ++i) {
        ASSERT_NEAR(dk[i], 2 * answer.dk[p][i],
                    256 * tolerance<TypeParam>() * (1 + std::abs(dk[i])));
      }
    }
  }
}

TYPED_TEST(Attention, SameBitsAtAnyNumberOfThreads) {
  const int before = num_threads();
  auto formed = shapes().back();
  formed.soft_cap = 1;
  formed.slopes = true;
  for (const auto& shape : {shapes()[0], shapes()[3], shapes().back(), formed}) {
    const AttentionProblem<TypeParam> problem(shape);
    std::vector<Numbers> bits[3];
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      typename AttentionProblem<TypeParam>::Run run;
      problem.forward(run);
      problem.backward(run);
      const auto weights = problem.explicit_weights();
      const auto made = problem.explicit_run(weights);
      auto& all = bits[threads - 1];
      for (const auto& x : {run.y, run.log_sum_exp, run.dq[0], run.dk[0], run.dv, run.dscales,
                            weights, made.y, made.dq[0], made.dk[0], made.dv, made.dscales}) {
        all.push_back(numbers_of(x));
      }
    }
    EXPECT_EQ(bits[0], bits[1]);
    EXPECT_EQ(bits[0], bits[2]);
  }
  set_num_threads(before);
}

// A cap far above the scores and slopes of 0 change no more than rounding.
TYPED_TEST(Attention, AFormThatChangesNothingChangesNothing) {
  auto shape = shapes()[0];
  const AttentionProblem<TypeParam> plain(shape);
  shape.soft_cap = 1e7;
  shape.slopes = true;
  const AttentionProblem<TypeParam> formed(shape);
  for (auto& slope : formed.slopes.template elements<Accumulator<TypeParam>>()) slope = 0;
  typename AttentionProblem<TypeParam>::Run expected, run;
  plain.forward(expected);
  formed.forward(run);
  expect_near(numbers_of(run.y), numbers_of(expected.y), tolerance<TypeParam>(), "y");
}

// A bias by the key's position alone, slopes[h] s, gives the same weights as one by the distance.
TEST(AttentionForm, OnlyDifferencesOfOneRowCount) {
  constexpr std::int64_t keys = 40;
  const ProblemShape shape{.rows = keys, .keys = keys, .heads = 2, .key_heads = 1, .slopes = true};
  const AttentionProblem<double> biased(shape);
  auto without = shape;
  without.slopes = false;
  const AttentionProblem<double> plain(without);
  const auto weights = numbers_of(biased.explicit_weights());
  const auto bare = numbers_of(plain.explicit_weights());
  for (std::int64_t h = 0; h < 2; ++h) {
    const double slope = biased.slopes.data<double>()[h];
    for (std::int64_t t = 0; t < keys; ++t) {
      const auto row = static_cast<std::size_t>((h * keys + t) * keys);
      double total = 0;
      for (std::size_t s = 0; s <= static_cast<std::size_t>(t); ++s) {
        total += bare[row + s] * std::exp(slope * static_cast<double>(s));
      }
      for (std::size_t s = 0; s <= static_cast<std::size_t>(t); ++s) {
        const double expected = bare[row + s] * std::exp(slope * static_cast<double>(s)) / total;
        ASSERT_NEAR(weights[row + s], expected, 1e-12) << h << " " << t << " " << s;
      }
    }
  }
}

// What lies behind the mask does not change a row's bits, whatever it is.
TYPED_TEST(Attention, HiddenKeysAndValuesAreExcluded) {
  constexpr std::int64_t cut = 40;
  const ProblemShape shape{.rows = 70, .keys = 70, .heads = 2, .key_heads = 1};
  const AttentionProblem<TypeParam> clean(shape);
  typename AttentionProblem<TypeParam>::Run expected;
  clean.forward(expected);
  const auto expected_weights = clean.explicit_weights();
  const auto expected_run = clean.explicit_run(expected_weights);
  for (const double poison : {std::numeric_limits<double>::quiet_NaN(),
                              std::numeric_limits<double>::infinity(), 1e30, -3.0}) {
    const AttentionProblem<TypeParam> dirty(shape);
    for (auto s = cut; s < shape.keys; ++s) {
      for (std::int64_t d = 0; d < 8; ++d) {
        dirty.v.template data<TypeParam>()[s * 8 + d] = static_cast<TypeParam>(poison);
        dirty.k[0].template data<TypeParam>()[s * 11 + d] = static_cast<TypeParam>(poison);
      }
    }
    typename AttentionProblem<TypeParam>::Run run;
    dirty.forward(run);
    const auto weights = dirty.explicit_weights();
    const auto applied = dirty.explicit_run(weights);
    const auto clean_y = numbers_of(expected.y);
    const auto dirty_y = numbers_of(run.y);
    const auto clean_applied = numbers_of(expected_run.y);
    const auto dirty_applied = numbers_of(applied.y);
    for (std::size_t i = 0; i < cut * 2 * 8; ++i) {
      ASSERT_EQ(clean_y[i], dirty_y[i]) << i << " poison " << poison;
      ASSERT_EQ(clean_applied[i], dirty_applied[i]) << i << " poison " << poison;
    }
    const auto weight = numbers_of(weights);
    for (std::size_t t = 0; t < cut; ++t) {
      for (std::size_t s = t + 1; s < 70; ++s) ASSERT_EQ(weight[t * 70 + s], 0.0);
    }
  }
}

// A NaN in a row's own query is seen in all that the row gives, and in no other row.
TYPED_TEST(Attention, NanOfAQueryIsNotSwallowed) {
  const ProblemShape shape{.rows = 70, .keys = 70};
  const AttentionProblem<TypeParam> problem(shape);
  problem.q[0].template data<TypeParam>()[50 * 11] = static_cast<TypeParam>(NAN);
  typename AttentionProblem<TypeParam>::Run run;
  problem.forward(run);
  const auto weights = problem.explicit_weights();
  const auto applied = problem.explicit_run(weights);
  for (std::int64_t t = 0; t < shape.rows; ++t) {
    const bool broken = t == 50;
    const auto first = static_cast<std::size_t>(t * 8);
    EXPECT_EQ(std::isnan(numbers_of(run.y)[first]), broken) << t;
    EXPECT_EQ(std::isnan(numbers_of(applied.y)[first]), broken) << t;
    EXPECT_EQ(std::isnan(numbers_of(run.log_sum_exp)[static_cast<std::size_t>(t)]), broken) << t;
    EXPECT_EQ(std::isnan(numbers_of(weights)[static_cast<std::size_t>(t * 70)]), broken) << t;
  }
}

// Central differences of sum(y dy) in double: independent of every formula above.
TEST(AttentionGradient, AgreesWithFiniteDifferences) {
  const ProblemShape shape{.sequences = 2,
                           .rows = 6,
                           .keys = 9,
                           .heads = 4,
                           .key_heads = 2,
                           .widths = {3, 2},
                           .value_width = 5,
                           .offset = 3,
                           .window = 5,
                           .soft_cap = 1.5,
                           .slopes = true};
  const AttentionProblem<double> problem(shape);
  AttentionProblem<double>::Run run;
  problem.forward(run);
  problem.backward(run);
  const auto value = [&] {
    AttentionProblem<double>::Run at;
    problem.forward(at);
    double sum = 0;
    for (std::int64_t i = 0; i < at.y.numel(); ++i)
      sum += at.y.data<double>()[i] * problem.dy.data<double>()[i];
    return sum;
  };
  const auto check = [&](const Tensor& x, const Tensor& gradient) {
    const auto analytic = numbers_of(gradient);
    std::size_t next = 0;
    for (std::int64_t row = 0; row < x.numel() / x.size(-1); ++row) {
      for (std::int64_t d = 0; d < x.size(-1); ++d) {
        double& number = x.data<double>()[x.rank() > 1 ? row * x.strides()[-2] + d : d];
        const double kept = number;
        number = kept + 1e-5;
        const double above = value();
        number = kept - 1e-5;
        const double below = value();
        number = kept;
        ASSERT_NEAR(analytic[next++], (above - below) / 2e-5, 1e-7);
      }
    }
  };
  check(problem.q[0], run.dq[0]);
  check(problem.q[1], run.dq[1]);
  check(problem.k[0], run.dk[0]);
  check(problem.k[1], run.dk[1]);
  check(problem.v, run.dv);
  check(problem.scales, run.dscales);
}

// Scores of a few hundred neither overflow nor lose the row.
TEST(AttentionScores, LargeStayFinite) {
  const ProblemShape shape{.rows = 300, .keys = 300, .heads = 1, .key_heads = 1};
  const AttentionProblem<float> problem(shape);
  problem.scales.data<float>()[0] = 300;
  AttentionProblem<float>::Run run;
  problem.forward(run);
  const auto answer = [&] {
    const AttentionProblem<double> exact(shape);
    for (std::int64_t i = 0; i < 300 * 11; ++i) {
      exact.q[0].data<double>()[i] = static_cast<double>(problem.q[0].data<float>()[i]);
      exact.k[0].data<double>()[i] = static_cast<double>(problem.k[0].data<float>()[i]);
    }
    for (std::int64_t i = 0; i < 300 * 8; ++i) {
      exact.v.data<double>()[i] = static_cast<double>(problem.v.data<float>()[i]);
    }
    exact.scales.data<double>()[0] = 300;
    AttentionProblem<double>::Run exact_run;
    exact.forward(exact_run);
    return numbers_of(exact_run.y);
  }();
  // A score of 1,000 has an error of 1e3 * eps, which the exponential passes on.
  expect_near(numbers_of(run.y), answer, 3e3 * epsilon_of(DType::f32), "y");
}

TEST(CausalMask, CountsWindowAndOffsetTheUsualWay) {
  const CausalMaskView mask{.offset = 3, .window = 2};
  EXPECT_EQ(mask.keys_of(0, 0, 5).first, 2);
  EXPECT_EQ(mask.keys_of(0, 0, 5).last, 4);
  EXPECT_EQ(mask.keys_of(0, 4, 5).last, 5);
  EXPECT_TRUE(mask.visible(0, 0, 0, 3, 5));
  EXPECT_FALSE(mask.visible(0, 0, 0, 4, 5));
  EXPECT_FALSE(mask.visible(0, 0, 0, 1, 5));
  EXPECT_TRUE((CausalMaskView{.offset = -2}.keys_of(0, 1, 5).empty()));
}

}  // namespace
}  // namespace lookback::kernels
