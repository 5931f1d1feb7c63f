// Composed attention against the operations that hold every pair, and what must hold of it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/autograd/composed_hidden.h"

namespace lookback::testing {
namespace {

// The same, of operations that hold every pair: [B, T, 2, rows, H] -> rows [B, rows, H, T].
Tensor mixing_rows(const Tensor& x, std::int64_t which, std::int64_t begin, std::int64_t end) {
  const auto rows = slice(slice(x, 2, which, which + 1), 3, begin, end);
  return permute(reshape(rows, {x.size(0), x.size(1), end - begin, x.size(4)}), {0, 2, 3, 1});
}

enum class Side { query, key };
Tensor along(const Tensor& x, Side side) {  // [.., T] -> [.., T, 1] or [.., 1, T]
  auto shape = Shape::filled(x.rank() + 1, 1);
  for (int dim = 0; dim + 1 < x.rank(); ++dim) shape[dim] = x.size(dim);
  shape[side == Side::query ? x.rank() - 1 : x.rank()] = x.size(-1);
  return reshape(x, shape);
}

Tensor composed_explicitly(const Tensor& x, const HeadMixing& mixing, std::int64_t which) {
  const auto heads = x.size(1);
  const auto rank = (mixing.query.size(3) - 1) / 2;
  auto result = x;
  for (const auto side : {Side::query, Side::key}) {
    const auto& m = side == Side::query ? mixing.query : mixing.key;
    for (std::int64_t r = 0; r < rank; ++r) {
      const auto in = along(mixing_rows(m, which, r, r + 1), side);
      const auto out = along(mixing_rows(m, which, rank + r, rank + r + 1), side);
      const Shape one_head{x.size(0), heads, in.size(3), in.size(4)};
      const auto sums = sum(x * reshape(in, one_head), {1}, KeepDims::yes);
      result = result + sums * reshape(out, one_head);
    }
    const auto gate = along(mixing_rows(m, which, 2 * rank, 2 * rank + 1), side);
    result = result + x * reshape(gate, {x.size(0), heads, gate.size(3), gate.size(4)});
  }
  if (!mixing.fixed.defined()) return result;
  const auto matrix = reshape(slice(mixing.fixed, 0, which, which + 1), {heads, heads});
  return result + permute(matmul(permute(x, {0, 2, 3, 1}), matrix), {0, 3, 1, 2});
}

// slope (i - j), [1, H, T, S].
Tensor distances(const Tensor& slopes, const Shape& shape, const CausalMask& mask) {
  return make_f64({1, shape[1], shape[2], shape[3]}, [&](std::int64_t i) {
    const auto key = i % shape[3], row = i / shape[3] % shape[2], head = i / shape[3] / shape[2];
    return slopes.data<double>()[head] * static_cast<double>(mask.offset + row - key);
  });
}

Tensor explicit_weights(const ComposedScores& scores, const CausalMask& mask) {
  const auto& q = scores.piece.q[0];
  const auto& k = scores.piece.k[0];
  const auto group = q.size(2) / k.size(2);
  const auto wide =
      reshape(broadcast_to(reshape(k, {k.size(0), k.size(1), k.size(2), 1, k.size(3)}),
                           {k.size(0), k.size(1), k.size(2), group, k.size(3)}),
              {k.size(0), k.size(1), q.size(2), k.size(3)});
  auto x = matmul(permute(q, {0, 2, 1, 3}), permute(wide, {0, 2, 3, 1})) * composed_scale;
  if (scores.piece.soft_cap > 0) x = tanh(x / scores.piece.soft_cap) * scores.piece.soft_cap;
  if (scores.piece.slopes.defined()) x = x - distances(scores.piece.slopes, x.shape(), mask);
  x = mask_scores(composed_explicitly(x, scores.mixing, 0), mask);
  return composed_explicitly(softmax(x), scores.mixing, 1);
}

ComposedScores capped_scores(const Inputs& in) {
  auto scores = plain_scores(in);
  scores.mixing.fixed = in[4];
  scores.piece.soft_cap = 2;
  return scores;
}

ForwardAndGradients run(const Inputs& inputs, const std::function<Tensor(const Inputs&)>& call) {
  OpCaseOptions options;
  options.call = call;
  return run_with_gradients(options, inputs);
}

void expect_equal(const ForwardAndGradients& ours, const ForwardAndGradients& reference,
                  double factor) {
  expect_close(to_doubles(ours.y), to_doubles(reference.y), factor, DType::f64);
  ASSERT_EQ(ours.gradients.size(), reference.gradients.size());
  for (std::size_t i = 0; i < ours.gradients.size(); ++i) {
    SCOPED_TRACE(i);
    expect_close(to_doubles(ours.gradients[i]), to_doubles(reference.gradients[i]), factor,
                 DType::f64);
  }
}

// Several tiles of queries, several chunks of keys, several workers for each sequence.
TEST(ComposedAttention, LargeOnesEqualTheOperationsThatHoldEveryPair) {
  for (const CausalMask& mask : {CausalMask{}, CausalMask{.offset = 20, .window = 37}}) {
    const auto inputs = drawn_for_composing({2, 301, 321, 4, 2, 5, 3, 2}, 0.5);
    const auto ours =
        run(inputs, [&](const Inputs& in) { return capped_scores(in).apply(in[5], mask); });
    const auto reference = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(explicit_weights(capped_scores(in), mask), in[5], mask);
    });
    expect_equal(ours, reference, 4096);
    const auto kept = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(capped_scores(in).weights(mask), in[5], mask);
    });
    expect_equal(kept, reference, 4096);
  }
}

// Packed keys, rows that stand apart, heads that see different keys.
TEST(ComposedAttention, PatternsEqualTheOperationsThatHoldEveryPair) {
  constexpr std::int64_t tokens = 301;
  const auto inputs = drawn_for_composing({1, tokens, tokens, 4, 2, 5, 3, 2}, 0.5);
  for (const auto& [name, mask] : patterned_masks(4, tokens)) {
    SCOPED_TRACE(name);
    const auto& seen = mask;
    const auto all = [](const Inputs& in) {
      auto scores = scores_with_all(in);
      scores.mixing.fixed = in[4];
      return scores;
    };
    const auto ours = run(inputs, [&](const Inputs& in) { return all(in).apply(in[5], seen); });
    const auto reference = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(explicit_weights(all(in), seen), in[5], {});
    });
    expect_equal(ours, reference, 4096);
    const auto kept = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(all(in).weights(seen), in[5], {});
    });
    expect_equal(kept, reference, 4096);
    if (HasFatalFailure()) return;
  }
}

TEST(ComposedAttention, WithoutMixingIsAttention) {
  auto inputs = drawn_for_composing({2, 70, 70, 4, 2, 8, 5, 2}, 1);
  for (std::size_t i = 2; i < 5; ++i) inputs[i] = zeros(inputs[i].shape(), DType::f64);
  auto scores = plain_scores(inputs);
  scores.mixing.fixed = inputs[4];
  const auto ours = scores.apply(inputs[5], {});
  const auto plain = attention(scores.piece, inputs[5], {});
  expect_close(to_doubles(ours), to_doubles(plain.y), 64, DType::f64);
}

TEST(ComposedAttention, HiddenWeightsAreExactlyZero) {
  const auto inputs = drawn_for_composing({1, 40, 44, 4, 1, 3, 2, 2}, 1);
  const CausalMask mask{.offset = 4, .window = 9};
  const auto weights = capped_scores(inputs).weights(mask);
  bool negative = false;
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    const auto number = weights.data<double>()[i];
    if (!shows(mask, 0, i / 44 % 40, i % 44)) {
      ASSERT_EQ(number, 0) << i;
      ASSERT_FALSE(std::signbit(number)) << i;
    }
    negative = negative || number < 0;
  }
  EXPECT_TRUE(negative) << "composing makes some weights negative, or it does nothing";
}

// Of all that a key holds, in a key that no row sees: not even NaN reaches a row or a gradient.
TEST(ComposedAttention, NothingOfAHiddenKeyIsRead) {
  auto inputs = drawn_for_composing({1, 33, 40, 2, 1, 3, 2, 1}, 1);
  const auto call = [](const Inputs& in) { return capped_scores(in).apply(in[5], {.window = 8}); };
  const auto before = run(inputs, call);
  for (const std::size_t i : {1, 3, 5}) {
    const auto& x = inputs[i];
    const auto of_a_key = x.numel() / x.size(1);
    for (auto at = 33 * of_a_key; at < x.numel(); ++at)
      x.data<double>()[at] = std::numeric_limits<double>::quiet_NaN();
  }
  const auto after = run(inputs, call);
  EXPECT_EQ(to_doubles(before.y), to_doubles(after.y));
  ASSERT_EQ(before.gradients.size(), after.gradients.size());
  for (std::size_t i = 0; i < after.gradients.size(); ++i) {
    EXPECT_EQ(to_doubles(before.gradients[i]), to_doubles(after.gradients[i])) << i;
  }
}

// NaN in the last key's numbers reaches the last row alone.
TEST(ComposedAttention, AnEarlierRowIgnoresALaterKey) {
  auto inputs = drawn_for_composing({1, 40, 40, 2, 2, 3, 2, 2}, 1);
  const auto call = [&] { return to_doubles(capped_scores(inputs).apply(inputs[5], {})); };
  const auto before = call();
  for (const std::size_t i : {1, 3, 5}) {
    inputs[i].data<double>()[inputs[i].numel() - 1] = std::numeric_limits<double>::quiet_NaN();
  }
  const auto after = call();
  const auto of_a_row = before.size() / 40;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (i / of_a_row < 39) {
      ASSERT_EQ(before[i], after[i]) << i;
    }
  }
  EXPECT_TRUE(std::isnan(after.back()));
}

// A row is the same with rows beside it, behind a past, and alone.
TEST(ComposedAttention, ARowIsTheSameWhereverItStands) {
  const auto all = drawn_for_composing({1, 70, 70, 4, 2, 8, 4, 2}, 1);
  const auto whole = to_doubles(capped_scores(all).apply(all[5], {}));
  const auto of_a_row = static_cast<std::int64_t>(whole.size()) / 70;
  for (const std::int64_t first : {0, 1, 33, 69}) {
    SCOPED_TRACE(first);
    auto some = all;
    for (const std::size_t i : {0, 2}) some[i] = slice(all[i], 1, first, 70);
    const auto part = to_doubles(capped_scores(some).apply(some[5], {.offset = first}));
    expect_close(part, {whole.begin() + first * of_a_row, whole.end()}, 64, DType::f64);
  }
  auto prefix = all;
  for (const std::size_t i : {0, 1, 2, 3, 5}) prefix[i] = slice(all[i], 1, 0, 35);
  const auto part = to_doubles(capped_scores(prefix).apply(prefix[5], {}));
  expect_close(part, {whole.begin(), whole.begin() + 35 * of_a_row}, 64, DType::f64);
}

}  // namespace
}  // namespace lookback::testing
