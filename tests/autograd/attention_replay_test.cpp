// Replays that go back with their run, beside replays that go back by themselves.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/gradient.h"
#include "autograd/ops/attention.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::testing {
namespace {

using kernels::random_tensor;

enum class Back { with_the_run, alone };

struct Problem {
  std::int64_t rows = 70, keys = 70, heads = 4, key_heads = 2, sequences = 2;
  std::vector<std::int64_t> piece_widths = {8};
  std::vector<std::int64_t> replay_widths = {6, 3};
  CausalMask mask = {};
  double soft_cap = 0;
  bool uses_own_output = true;
  DType dtype = DType::f64;
};

struct Leaves {
  AttentionPieces pieces;
  Tensor v;
  std::vector<Tensor> replayed;
  std::vector<Tensor> all() const {
    std::vector<Tensor> list = pieces.q;
    list.insert(list.end(), pieces.k.begin(), pieces.k.end());
    list.push_back(pieces.scales);
    list.push_back(v);
    list.insert(list.end(), replayed.begin(), replayed.end());
    return list;
  }
};

Tensor drawn(const Shape& shape, DType dtype, unsigned seed) {
  return converted(random_tensor<double>(shape, seed), dtype);
}

Leaves leaves_of(const Problem& p) {
  Leaves leaves;
  unsigned seed = 1;
  for (const auto width : p.piece_widths) {
    leaves.pieces.q.push_back(drawn({p.sequences, p.rows, p.heads, width}, p.dtype, seed++));
    leaves.pieces.k.push_back(drawn({p.sequences, p.keys, p.key_heads, width}, p.dtype, seed++));
  }
  leaves.pieces.scales =
      drawn({static_cast<std::int64_t>(p.piece_widths.size())}, accumulator_of(p.dtype), seed++);
  leaves.pieces.soft_cap = p.soft_cap;
  leaves.v = drawn({p.sequences, p.keys, p.key_heads, 5}, p.dtype, seed++);
  for (const auto width : p.replay_widths)
    leaves.replayed.push_back(drawn({p.sequences, p.keys, p.key_heads, width}, p.dtype, seed++));
  for (const auto& leaf : leaves.all()) set_requires_grad(leaf);
  return leaves;
}

std::vector<Tensor> outputs_of(const Problem& p, const Leaves& leaves, Back back) {
  const auto left = back == Back::with_the_run ? std::make_shared<LeftByReplays>() : nullptr;
  const auto run = attention(leaves.pieces, leaves.v, p.mask, left);
  std::vector<Tensor> outputs;
  if (p.uses_own_output) outputs.push_back(run.y);
  for (const auto& v : leaves.replayed)
    outputs.push_back(attention_replay(leaves.pieces, run.log_sum_exp, v, p.mask, left));
  return outputs;
}

using Gradients = std::vector<std::vector<double>>;

Gradients gradients_of(const Leaves& leaves) {
  Gradients all;
  for (const auto& leaf : leaves.all()) {
    const auto g = gradient(leaf);
    all.push_back(g.defined() ? to_doubles(g) : std::vector<double>());
  }
  return all;
}

std::vector<Tensor> slopes_of(const std::vector<Tensor>& outputs) {
  std::vector<Tensor> slopes;
  for (const auto& y : outputs)
    slopes.push_back(drawn(y.shape(), y.dtype(), 50 + static_cast<unsigned>(slopes.size())));
  return slopes;
}

Gradients run(const Problem& p, Back back) {
  const auto leaves = leaves_of(p);
  const auto outputs = outputs_of(p, leaves, back);
  backward(outputs, slopes_of(outputs), AfterBackward::release);
  return gradients_of(leaves);
}

void expect_near(const Gradients& a, const Gradients& b, DType dtype) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i);
    expect_close(a[i], b[i], 64, dtype);
  }
}

std::vector<Problem> problems() {
  return {{},
          {.uses_own_output = false},
          {.rows = 1, .keys = 4, .mask = {.offset = 3}},
          {.rows = 0, .keys = 3},
          {.rows = 33, .keys = 36, .heads = 1, .key_heads = 1, .mask = {.offset = 3, .window = 6}},
          {.piece_widths = {4, 7, 2}, .replay_widths = {5}},
          {.replay_widths = {1, 31, 33}, .soft_cap = 2},
          {.rows = 1100, .keys = 1100, .heads = 1, .key_heads = 1, .sequences = 1},
          {.dtype = DType::f32},
          {.dtype = DType::bf16}};
}

TEST(AttentionReplay, GoesBackWithTheRunAsByItself) {
  for (const auto& problem : problems()) {
    SCOPED_TRACE(problem.rows);
    expect_near(run(problem, Back::with_the_run), run(problem, Back::alone), problem.dtype);
  }
}

// Each replay asks for the gradient of its values alone; the run's call makes the rest.
TEST(AttentionReplay, MakesTheGradientsOfThePiecesOnce) {
  const auto calls = [](Back back) {
    const Problem problem;
    const auto leaves = leaves_of(problem);
    const auto outputs = outputs_of(problem, leaves, back);
    const auto slopes = slopes_of(outputs);
    std::vector<std::size_t> results;
    const kernels::ObserveKernels watch([&](const auto& slot, const auto&, const auto& out) {
      if (slot.name == "attention_backward") results.push_back(out.size());
    });
    backward(outputs, slopes, AfterBackward::release);
    return results;
  };
  // dv and what goes to the log-sum-exps; dq, dk, dv, dscales and the workspace.
  EXPECT_EQ(calls(Back::with_the_run), (std::vector<std::size_t>{3, 3, 5}));
  EXPECT_EQ(calls(Back::alone), (std::vector<std::size_t>{5, 5, 5}));
}

TEST(AttentionReplay, MayGoBackTwice) {
  const Problem problem;
  const auto leaves = leaves_of(problem);
  const auto outputs = outputs_of(problem, leaves, Back::with_the_run);
  backward(outputs, slopes_of(outputs), AfterBackward::retain);
  const auto first = gradients_of(leaves);
  for (const auto& leaf : leaves.all()) clear_gradient(leaf);
  backward(outputs, slopes_of(outputs), AfterBackward::release);
  EXPECT_EQ(gradients_of(leaves), first);
}

// A pass through one of them does not take what belongs to another.
TEST(AttentionReplay, MayGoBackOneByOne) {
  const Problem problem;
  const auto leaves = leaves_of(problem);
  const auto outputs = outputs_of(problem, leaves, Back::with_the_run);
  const auto slopes = slopes_of(outputs);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    backward(outputs[i], slopes[i], AfterBackward::retain);
  expect_near(gradients_of(leaves), run(problem, Back::alone), problem.dtype);
}

// Replays on a mask with a pattern go back by themselves, with the same results.
TEST(AttentionReplay, UnderAPatternGoesBackByItself) {
  Problem problem;
  problem.mask.window = 6;
  problem.mask.pattern.dilation = from_values<std::int64_t>({1, 2, 1, 3}, {4});
  const auto leaves = leaves_of(problem);
  const auto left = std::make_shared<LeftByReplays>();
  const auto run_of_it = attention(leaves.pieces, leaves.v, problem.mask, left);
  EXPECT_FALSE(left->are_collected);
  EXPECT_FALSE(requires_grad(run_of_it.log_sum_exp));
  EXPECT_EQ(run(problem, Back::with_the_run), run(problem, Back::alone));
}

// NaN in values that a row does not see stays where it is.
TEST(AttentionReplay, HidesWhatTheMaskHides) {
  Problem problem{.rows = 8, .keys = 8, .dtype = DType::f32};
  const auto leaves = leaves_of(problem);
  leaves.replayed[0].data<float>()[leaves.replayed[0].numel() - 1] = NAN;
  const auto outputs = outputs_of(problem, leaves, Back::with_the_run);
  auto slopes = slopes_of(outputs);
  // The last row alone sees the last key.
  backward(outputs, slopes, AfterBackward::release);
  const auto dq = to_doubles(gradient(leaves.pieces.q[0]));
  const auto last_rows = static_cast<std::size_t>(problem.heads * problem.piece_widths[0]);
  const auto of_sequence = dq.size() / 2;
  for (std::size_t i = 0; i < of_sequence; ++i) EXPECT_TRUE(std::isfinite(dq[i])) << i;
  for (std::size_t i = of_sequence; i + last_rows < dq.size(); ++i)
    EXPECT_TRUE(std::isfinite(dq[i])) << i;
  EXPECT_TRUE(std::isnan(dq.back()));
}

}  // namespace
}  // namespace lookback::testing
