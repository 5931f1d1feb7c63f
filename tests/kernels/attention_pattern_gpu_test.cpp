// Attention on a GPU under patterns, soft caps and biases, against the formula in double.
#include <gtest/gtest.h>

#include "tests/gpu.h"
#include "tests/kernels/attention_expectations.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

std::vector<ProblemShape> shapes() {
  return {{.sequences = 2,
           .rows = 40,
           .keys = 40,
           .heads = 4,
           .key_heads = 2,
           .window = 4,
           .gap = 8,
           .dilations = {1, 2, 5, 100},
           .global_keys = {0, 9, 30}},
          {.rows = 33,
           .keys = 50,
           .heads = 2,
           .key_heads = 1,
           .offset = 17,
           .window = 2,
           .gap = 8,
           .soft_cap = 1.5,
           .slopes = true,
           .random_blocks = 3,
           .block_size = 4},
          {.rows = 40,
           .keys = 40,
           .heads = 2,
           .window = 2,
           .documents = true,
           .dilations = {2, 1},
           .global_keys = {0, 3},
           .random_blocks = 1},
          {.rows = 1,
           .keys = 65,
           .heads = 8,
           .key_heads = 2,
           .offset = 64,
           .window = 9,
           .gap = 8,
           .global_keys = {0}},
          {.rows = 5,
           .keys = 40,
           .heads = 2,
           .offset = 35,
           .window = 6,
           .slopes = true,
           .global_keys = {1},
           .scattered_keys = true},
          {.rows = 4, .keys = 6, .offset = -2, .window = 2, .global_keys = {0}},
          {.rows = 3, .keys = 0, .window = 2, .dilations = {2}}};
}

template <class T>
class PatternedAttentionOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
TYPED_TEST_SUITE(PatternedAttentionOnGpu, Elements, ElementNames);

TYPED_TEST(PatternedAttentionOnGpu, AgreesWithTheFormula) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape, 1, gpu());
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    expect_near(numbers_of(run.y), answer.y, tolerance<TypeParam>(), "y");
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp,
                64 * epsilon_of(accumulator_of(dtype_of<TypeParam>)), "log_sum_exp");
    expect_gradients<TypeParam>(run, answer, shape, tolerance<TypeParam>());
    const auto weights = problem.explicit_weights();
    expect_near(numbers_of(weights), answer.weights, tolerance<TypeParam>(), "weights");
    const auto applied = problem.explicit_run(weights);
    expect_near(numbers_of(applied.y), answer.y, 2 * tolerance<TypeParam>(), "explicit y");
    expect_gradients<TypeParam>(applied, answer, shape, 4 * tolerance<TypeParam>());
    if (this->HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::kernels
