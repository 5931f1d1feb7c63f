#include "autograd/ops/composed_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "autograd/ops.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

constexpr double scale = 0.7;
const CausalMask plain_mask{.offset = 3, .window = 6};

// Two documents: the second begins at key 4.
CausalMask documents_mask(const Tensor& q, std::int64_t offset) {
  const auto start = empty({q.size(0), q.size(1)}, DType::i64);
  for (std::int64_t i = 0; i < start.numel(); ++i)
    start.data<std::int64_t>()[i] = offset + i % q.size(1) >= 4 ? 4 : 0;
  return {.offset = offset, .document_start = to_device(start, q.device())};
}

bool visible(const CausalMask& mask, std::int64_t b, std::int64_t t, std::int64_t s) {
  const auto position = mask.offset + t;
  if (s > position || (mask.window > 0 && s <= position - mask.window)) return false;
  const auto& start = mask.document_start;
  return !start.defined() || s >= start.data<std::int64_t>()[b * start.size(1) + t];
}

// compose() of the header's formula, pair by pair, through one H x H matrix.
std::vector<double> composed(const std::vector<double>& x, const Tensor& query, const Tensor& key,
                             const Tensor& fixed, std::int64_t query_row, std::int64_t key_row,
                             std::int64_t which) {
  const auto heads = query.size(4);
  const auto rank = (query.size(3) - 1) / 2;
  const double* sides[] = {query.data<double>() + (query_row * 2 + which) * query.size(3) * heads,
                           key.data<double>() + (key_row * 2 + which) * query.size(3) * heads};
  std::vector<double> result(x.size());
  for (std::int64_t n = 0; n < heads; ++n) {
    for (std::int64_t h = 0; h < heads; ++h) {
      double matrix = h == n ? 1 : 0;
      if (fixed.defined()) matrix += fixed.data<double>()[(which * heads + h) * heads + n];
      for (const double* side : sides) {
        for (std::int64_t r = 0; r < rank; ++r)
          matrix += side[r * heads + h] * side[(rank + r) * heads + n];
        if (h == n) matrix += side[2 * rank * heads + h];
      }
      result[static_cast<std::size_t>(n)] += x[static_cast<std::size_t>(h)] * matrix;
    }
  }
  return result;
}

// The weights, from contiguous operands in f64.
Tensor reference_weights(const ComposedScores& scores, const CausalMask& mask) {
  const auto& [q, k, mixing, factor, cap, slopes] = scores;
  const auto rows = q.size(1), heads = q.size(2), width = q.size(3);
  const auto keys = k.size(1), key_heads = k.size(2);
  const auto weights = zeros({q.size(0), heads, rows, keys}, DType::f64);
  const auto at = [&](std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) -> double& {
    return weights.data<double>()[((b * heads + h) * rows + t) * keys + s];
  };
  for (std::int64_t b = 0; b < q.size(0); ++b) {
    for (std::int64_t t = 0; t < rows; ++t) {
      const auto each_pair = [&](std::int64_t which, const auto& number) {
        for (std::int64_t s = 0; s < keys; ++s) {
          if (!visible(mask, b, t, s)) continue;
          std::vector<double> x;
          for (std::int64_t h = 0; h < heads; ++h) x.push_back(number(h, s));
          const auto mixed = composed(x, mixing.query, mixing.key, mixing.fixed, b * rows + t,
                                      b * keys + s, which);
          for (std::int64_t h = 0; h < heads; ++h)
            at(b, h, t, s) = mixed[static_cast<std::size_t>(h)];
        }
      };
      each_pair(0, [&](std::int64_t h, std::int64_t s) {
        double dot = 0;
        for (std::int64_t d = 0; d < width; ++d) {
          dot += q.data<double>()[((b * rows + t) * heads + h) * width + d] *
                 k.data<double>()[((b * keys + s) * key_heads + h * key_heads / heads) * width + d];
        }
        dot *= factor;
        if (cap > 0) dot = cap * std::tanh(dot / cap);
        if (slopes.defined())
          dot -= slopes.data<double>()[h] * static_cast<double>(mask.offset + t - s);
        return dot;
      });
      for (std::int64_t h = 0; h < heads; ++h) {
        double most = -std::numeric_limits<double>::infinity(), total = 0;
        for (std::int64_t s = 0; s < keys; ++s)
          if (visible(mask, b, t, s)) most = std::max(most, at(b, h, t, s));
        for (std::int64_t s = 0; s < keys; ++s)
          if (visible(mask, b, t, s)) total += at(b, h, t, s) = std::exp(at(b, h, t, s) - most);
        for (std::int64_t s = 0; s < keys; ++s) at(b, h, t, s) /= total > 0 ? total : 1;
      }
      each_pair(1, [&](std::int64_t h, std::int64_t s) { return at(b, h, t, s); });
    }
  }
  return weights;
}

Tensor reference_values(const Tensor& weights, const Tensor& v) {
  const auto heads = weights.size(1), rows = weights.size(2), keys = weights.size(3);
  const auto key_heads = v.size(2), width = v.size(3);
  return make_f64({v.size(0), rows, heads, width}, [&](std::int64_t i) {
    const auto h = i / width % heads;
    const auto t = i / (width * heads) % rows;
    const auto b = i / (width * heads * rows);
    double sum = 0;
    for (std::int64_t s = 0; s < keys; ++s) {
      sum += weights.data<double>()[((b * heads + h) * rows + t) * keys + s] *
             v.data<double>()[((b * keys + s) * key_heads + h * key_heads / heads) * width +
                              i % width];
    }
    return sum;
  });
}

Tensor fixed_slopes(const Tensor& q) {
  const auto slopes = empty({q.size(2)}, accumulator_of(q.dtype()));
  visit_floating(slopes.dtype(), [&]<class T>(TypeTag<T>) {
    for (std::int64_t h = 0; h < slopes.numel(); ++h)
      slopes.data<T>()[h] = static_cast<T>(1.0 / static_cast<double>(2 << h));
  });
  return to_device(slopes, q.device());
}

// The mixing is in the accumulator's dtype, whatever that of q is.
Tensor mixing_of(const Tensor& x) { return cast(x, accumulator_of(x.dtype())); }

// Inputs: q, k, query mixing, key mixing, and v where there are values, last of all.
ComposedScores plain_scores(const Inputs& in) {
  return {.q = in[0], .k = in[1], .mixing = {mixing_of(in[2]), mixing_of(in[3])}, .scale = scale};
}
// The same with the fixed mixing as input 4, a soft cap and slopes.
ComposedScores all_scores(const Inputs& in) {
  return {.q = in[0],
          .k = in[1],
          .mixing = {mixing_of(in[2]), mixing_of(in[3]), mixing_of(in[4])},
          .scale = scale,
          .soft_cap = 1.5,
          .slopes = fixed_slopes(in[0])};
}

struct Sizes {
  std::int64_t batch, rows, keys, heads, key_heads, width, value_width, rank;
  Shapes scores() const {
    return {{batch, rows, heads, width},
            {batch, keys, key_heads, width},
            {batch, rows, 2, 2 * rank + 1, heads},
            {batch, keys, 2, 2 * rank + 1, heads}};
  }
  Shape fixed() const { return {2, heads, heads}; }
  Shape values() const { return {batch, keys, key_heads, value_width}; }
};

std::vector<Shapes> shapes_of(const std::vector<Sizes>& all, bool fixed, bool values) {
  std::vector<Shapes> result;
  for (const auto& sizes : all) {
    auto shapes = sizes.scores();
    if (fixed) shapes.push_back(sizes.fixed());
    if (values) shapes.push_back(sizes.values());
    result.push_back(std::move(shapes));
  }
  return result;
}

const std::vector<Sizes> sizes{{2, 5, 8, 4, 2, 3, 5, 2}, {1, 1, 4, 2, 1, 2, 3, 1},
                               {1, 3, 0, 2, 1, 2, 2, 2}, {1, 0, 3, 2, 2, 2, 2, 1},
                               {1, 1, 1, 1, 1, 1, 1, 3}, {1, 33, 36, 2, 1, 4, 3, 2}};

double keys_of(const Shapes& shapes) {
  return static_cast<double>(shapes[1][1] + shapes[1][3] * shapes[2][4] * shapes[2][3]);
}

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }
ComposedScores zero_scores(const Sizes& of) {
  const auto shapes = of.scores();
  return {.q = zeros_f64(shapes[0]),
          .k = zeros_f64(shapes[1]),
          .mixing = {zeros_f64(shapes[2]), zeros_f64(shapes[3])}};
}
constexpr Sizes small{1, 2, 2, 4, 2, 3, 3, 1};

const OpCase plain_case{
    "composed_attention",
    {.shapes = shapes_of(sizes, false, true),
     .call =
         [](const Inputs& in) { return composed_attention(plain_scores(in), in[4], plain_mask); },
     .reference =
         [](const Inputs& in) {
           return reference_values(reference_weights(plain_scores(in), plain_mask), in[4]);
         },
     .low = -1,
     .high = 1,
     .terms = keys_of,
     .factor = 64,
     .large = 0,
     .refused = {{[] {
                    auto scores = zero_scores(small);
                    scores.mixing.query = zeros_f64({1, 2, 2, 4, 4});
                    composed_attention(scores, zeros_f64(small.values()), {});
                  },
                  "[composed_attention] mixing.query (1, 2, 2, 4, 4) of float64 must be (1, 2, 2, "
                  "2 rank + "
                  "1, 4) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.mixing.key = zeros_f64({1, 2, 2, 5, 4});
                    composed_attention(scores, zeros_f64(small.values()), {});
                  },
                  "must have one rank"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.mixing.fixed = zeros_f64({4, 4});
                    composed_attention(scores, zeros_f64(small.values()), {});
                  },
                  "mixing.fixed must be (2, 4, 4) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.slopes = zeros_f64({2});
                    composed_attention_weights(scores, {});
                  },
                  "[composed_attention_weights] slopes must be (4,) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.soft_cap = -1;
                    composed_attention(scores, zeros_f64(small.values()), {});
                  },
                  "soft_cap -1 must not be negative"},
                 {[] {
                    composed_attention(zero_scores(small), zeros_f64({1, 3, 2, 3}), {});
                  },
                  "[composed_attention] v (1, 3, 2, 3)"}}}};

const OpCase options_case{
    "composed_attention/options",
    {.shapes = shapes_of(sizes, true, true),
     .call =
         [](const Inputs& in) {
           return composed_attention(all_scores(in), in[5], documents_mask(in[0], 2));
         },
     .reference =
         [](const Inputs& in) {
           const auto weights = reference_weights(all_scores(in), documents_mask(in[0], 2));
           return reference_values(weights, in[5]);
         },
     .low = -1,
     .high = 1,
     .terms = keys_of,
     .factor = 64,
     .large = 0}};

const OpCase weights_case{
    "composed_attention_weights",
    {.shapes = shapes_of(sizes, false, false),
     .call =
         [](const Inputs& in) { return composed_attention_weights(plain_scores(in), plain_mask); },
     .reference = [](const Inputs& in) { return reference_weights(plain_scores(in), plain_mask); },
     .low = -1,
     .high = 1,
     .terms = keys_of,
     .factor = 64,
     .large = 0}};

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

Tensor explicit_weights(const ComposedScores& scores, const CausalMask& mask) {
  const auto group = scores.q.size(2) / scores.k.size(2);
  const auto& k = scores.k;
  const auto wide =
      reshape(broadcast_to(reshape(k, {k.size(0), k.size(1), k.size(2), 1, k.size(3)}),
                           {k.size(0), k.size(1), k.size(2), group, k.size(3)}),
              {k.size(0), k.size(1), scores.q.size(2), k.size(3)});
  auto x = matmul(permute(scores.q, {0, 2, 1, 3}), permute(wide, {0, 2, 3, 1})) * scores.scale;
  if (scores.soft_cap > 0) x = tanh(x / scores.soft_cap) * scores.soft_cap;
  x = mask_scores(composed_explicitly(x, scores.mixing, 0), mask);
  return composed_explicitly(softmax(x), scores.mixing, 1);
}

Inputs drawn(const Sizes& of, double size) {
  auto shapes = of.scores();
  shapes.push_back(of.fixed());
  shapes.push_back(of.values());
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(-size, size);
  Inputs inputs;
  for (const auto& shape : shapes) {
    inputs.push_back(make_f64(shape, [&](std::int64_t) { return uniform(random); }));
  }
  return inputs;
}

ComposedScores capped_scores(const Inputs& in) {
  return {.q = in[0], .k = in[1], .mixing = {in[2], in[3], in[4]}, .scale = scale, .soft_cap = 2};
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
    const auto inputs = drawn({2, 301, 321, 4, 2, 5, 3, 2}, 0.5);
    const auto ours = run(inputs, [&](const Inputs& in) {
      return composed_attention(capped_scores(in), in[5], mask);
    });
    const auto reference = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(explicit_weights(capped_scores(in), mask), in[5], mask);
    });
    expect_equal(ours, reference, 4096);
    const auto kept = run(inputs, [&](const Inputs& in) {
      return apply_attention_weights(composed_attention_weights(capped_scores(in), mask), in[5],
                                     mask);
    });
    expect_equal(kept, reference, 4096);
  }
}

TEST(ComposedAttention, WithoutMixingIsAttention) {
  auto inputs = drawn({2, 70, 70, 4, 2, 8, 5, 2}, 1);
  for (std::size_t i = 2; i < 5; ++i) inputs[i] = zeros(inputs[i].shape(), DType::f64);
  const auto ours = composed_attention(
      {.q = inputs[0], .k = inputs[1], .mixing = {inputs[2], inputs[3], inputs[4]}, .scale = scale},
      inputs[5], {});
  const auto one = make_f64({1}, [](std::int64_t) { return scale; });
  const auto plain = attention({.q = {inputs[0]}, .k = {inputs[1]}, .scales = one}, inputs[5], {});
  expect_close(to_doubles(ours), to_doubles(plain.y), 64, DType::f64);
}

TEST(ComposedAttention, HiddenWeightsAreExactlyZero) {
  const auto inputs = drawn({1, 40, 44, 4, 1, 3, 2, 2}, 1);
  const CausalMask mask{.offset = 4, .window = 9};
  const auto weights = composed_attention_weights(capped_scores(inputs), mask);
  bool negative = false;
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    const auto number = weights.data<double>()[i];
    if (!visible(mask, 0, i / 44 % 40, i % 44)) {
      ASSERT_EQ(number, 0) << i;
      ASSERT_FALSE(std::signbit(number)) << i;
    }
    negative = negative || number < 0;
  }
  EXPECT_TRUE(negative) << "composing makes some weights negative, or it does nothing";
}

// Of all that a key holds, in a key that no row sees: not even NaN reaches a row or a gradient.
TEST(ComposedAttention, NothingOfAHiddenKeyIsRead) {
  auto inputs = drawn({1, 33, 40, 2, 1, 3, 2, 1}, 1);
  const auto call = [](const Inputs& in) {
    return composed_attention(capped_scores(in), in[5], {.window = 8});
  };
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
  auto inputs = drawn({1, 40, 40, 2, 2, 3, 2, 2}, 1);
  const auto call = [&] {
    return to_doubles(composed_attention(capped_scores(inputs), inputs[5], {}));
  };
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
  const auto all = drawn({1, 70, 70, 4, 2, 8, 4, 2}, 1);
  const auto whole = to_doubles(composed_attention(capped_scores(all), all[5], {}));
  const auto of_a_row = static_cast<std::int64_t>(whole.size()) / 70;
  for (const std::int64_t first : {0, 1, 33, 69}) {
    SCOPED_TRACE(first);
    auto some = all;
    for (const std::size_t i : {0, 2}) some[i] = slice(all[i], 1, first, 70);
    const auto part =
        to_doubles(composed_attention(capped_scores(some), some[5], {.offset = first}));
    expect_close(part, {whole.begin() + first * of_a_row, whole.end()}, 64, DType::f64);
  }
  auto prefix = all;
  for (const std::size_t i : {0, 1, 2, 3, 5}) prefix[i] = slice(all[i], 1, 0, 35);
  const auto part = to_doubles(composed_attention(capped_scores(prefix), prefix[5], {}));
  expect_close(part, {whole.begin(), whole.begin() + 35 * of_a_row}, 64, DType::f64);
}

TEST(ComposedAttention, SlopesTakeNoGradient) {
  auto scores = zero_scores(small);
  scores.slopes = zeros_f64({4});
  set_requires_grad(scores.slopes);
  EXPECT_THROW(composed_attention_weights(scores, {}), Error);
}

}  // namespace
}  // namespace lookback::testing
