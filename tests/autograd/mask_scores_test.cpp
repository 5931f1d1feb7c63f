#include "autograd/ops/mask_scores.h"

#include <gtest/gtest.h>

#include <limits>

#include "autograd/gradient.h"
#include "autograd/ops/softmax.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Rows of two documents: the second begins at key 2, or at 1 in odd sequences.
Tensor starts(std::int64_t sequences, std::int64_t queries) {
  const auto x = empty({sequences, queries}, DType::i64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto second = i / queries % 2 == 0 ? 2 : 1;
    x.data<std::int64_t>()[i] = i % queries >= second ? second : 0;
  }
  return x;
}

// The rule of causal_mask.h, written out.
bool visible(const CausalMask& mask, std::int64_t sequence, std::int64_t t, std::int64_t s) {
  if (s > mask.offset + t) return false;
  if (mask.window > 0 && s <= mask.offset + t - mask.window) return false;
  if (!mask.document_start.defined()) return true;
  const auto* start = mask.document_start.data<std::int64_t>();
  return s >= start[sequence * mask.document_start.size(1) + t];
}

Tensor selected(const Tensor& x, const CausalMask& mask, double hidden) {
  const auto queries = x.size(-2), keys = x.size(-1);
  const auto sequences = x.rank() > 2 ? x.size(0) : 1;
  return make_f64(x.shape(), [&](std::int64_t i) {
    const auto sequence = i / (x.numel() / sequences);
    return visible(mask, sequence, i / keys % queries, i % keys) ? x.data<double>()[i] : hidden;
  });
}

// The proofs' device reads the mask where it lies, a GPU does not.
CausalMask on(const Tensor& x, CausalMask mask) {
  auto& starts = mask.document_start;
  if (starts.defined() && x.backend() == Backend::cuda) starts = to_device(starts, x.device());
  return mask;
}

// Through softmax: -infinity itself has no central difference.
OpCaseOptions with(const CausalMask& mask, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return softmax(mask_scores(in[0], on(in[0], mask))); },
          .reference = [=](const Inputs& in) { return softmax(selected(in[0], mask, -infinity)); },
          .terms = [](const Shapes& in) { return static_cast<double>(in[0][-1]); }};
}

OpCaseOptions plain() {
  auto options = with(
      {},
      {{{2, 3, 4, 4}}, {{5, 5}}, {{2, 1, 1}}, {{0, 3, 3}}, {{3, 0}}, {{2, 33, 1025}}, {{31, 31}}});
  options.refused = {{[] { mask_scores(empty({3}, DType::f64), {}); },
                      "[mask_scores] scores (3,) must have at least two dimensions"},
                     {[] {
                        mask_scores(empty({3, 3}, DType::i64), {});
                      },
                      "[mask_scores] x int64 must have a floating dtype"},
                     {[] {
                        mask_scores(empty({2, 3, 3}, DType::f64), {.document_start = starts(2, 4)});
                      },
                      "[mask_scores] the mask's document_start must be (2, 3) of int64"},
                     {[] {
                        mask_scores(empty({3, 3}, DType::f64), {.offset = -1});
                      },
                      "[mask_scores] offset -1 must not be negative"}};
  return options;
}

const OpCase plain_case{"mask_scores", plain()};
const OpCase offset{"mask_scores/offset",
                    with({.offset = 3}, {{{2, 2, 3, 6}}, {{1, 4}}, {{2, 31, 65}}})};
const OpCase window{"mask_scores/window",
                    with({.offset = 1, .window = 2}, {{{2, 2, 4, 5}}, {{33, 34}}})};
const OpCase documents{"mask_scores/documents",
                       with({.document_start = starts(2, 5)}, {{{2, 3, 5, 5}}, {{2, 5, 33}}})};

OpCaseOptions weights() {
  const CausalMask mask{.offset = 1, .window = 3, .document_start = starts(2, 5)};
  return {.shapes = {{{2, 3, 5, 6}}, {{2, 5, 33}}},
          .call = [=](const Inputs& in) { return mask_weights(in[0], on(in[0], mask)); },
          .reference = [=](const Inputs& in) { return selected(in[0], mask, 0); },
          .refused = {{[] { mask_weights(empty({3}, DType::f64), {}); },
                       "[mask_weights] weights (3,) must have at least two dimensions"}}};
}
const OpCase weights_case{"mask_weights", weights()};

TEST(MaskScores, SelectsWhateverHiddenScoresHold) {
  const CausalMask mask{.offset = 1, .window = 3, .document_start = starts(2, 5)};
  const auto numbers =
      make_f64({2, 3, 5, 7}, [](std::int64_t i) { return static_cast<double>(i); });
  const auto hidden = selected(numbers, mask, nan);
  set_requires_grad(hidden);
  const auto y = mask_scores(hidden, mask);
  EXPECT_EQ(to_doubles(y), to_doubles(selected(numbers, mask, -infinity)));
  backward(y, hidden.detach());  // NaN where hidden
  EXPECT_EQ(to_doubles(gradient(hidden)), to_doubles(selected(numbers, mask, 0)));
  EXPECT_EQ(to_doubles(mask_weights(hidden, mask)), to_doubles(selected(numbers, mask, 0)));
}

}  // namespace
}  // namespace lookback::testing
