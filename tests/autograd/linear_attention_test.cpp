// Linear attention in chunks, against the sums written out, and token by token.
#include "autograd/ops/linear_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/grad_mode.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/slice.h"
#include "runtime/parallel.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

// The sizes of q [B, T, H, K], k [B, T, G, K] and v [B, T, G, V], and their elements in double.
struct Reference {
  Tensor q, k;
  std::int64_t tokens = q.size(1), heads = q.size(2), key_heads = k.size(2), width = q.size(3);

  double product(std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) const {
    const double* query = q.data<double>() + ((b * tokens + t) * heads + h) * width;
    const double* key =
        k.data<double>() + ((b * tokens + s) * key_heads + h / (heads / key_heads)) * width;
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) sum += query[d] * key[d];
    return sum;
  }
};

// sum_{s <= t} (q[t] . k[s]) v[s] / divisor[t]
Tensor reference_attention(const Inputs& in) {
  const Reference of{in[0], in[1]};
  const auto& v = in[2];
  const auto width = v.size(3);
  return make_f64({v.size(0), of.tokens, of.heads, width}, [&](std::int64_t i) {
    const auto h = i / width % of.heads;
    const auto t = i / (width * of.heads) % of.tokens;
    const auto b = i / (width * of.heads * of.tokens);
    double sum = 0;
    for (std::int64_t s = 0; s <= t; ++s) {
      sum += of.product(b, h, t, s) *
             v.data<double>()[((b * of.tokens + s) * of.key_heads + h / (of.heads / of.key_heads)) *
                                  width +
                              i % width];
    }
    return sum / in[3].data<double>()[(b * of.heads + h) * of.tokens + t];
  });
}

constexpr double epsilon = 0.25;

// sum_{s <= t} q[t] . k[s] + epsilon
Tensor reference_divisor(const Inputs& in) {
  const Reference of{in[0], in[1]};
  return make_f64({in[0].size(0), of.heads, of.tokens}, [&](std::int64_t i) {
    const auto t = i % of.tokens, h = i / of.tokens % of.heads, b = i / (of.tokens * of.heads);
    double sum = epsilon;
    for (std::int64_t s = 0; s <= t; ++s) sum += of.product(b, h, t, s);
    return sum;
  });
}

Tensor divisor_of(const Inputs& in) { return cast(in[3], accumulator_of(in[0].dtype())); }

Shapes shapes_of(std::int64_t batch, std::int64_t tokens, std::int64_t heads,
                 std::int64_t key_heads, std::int64_t width, std::int64_t value_width) {
  return {{batch, tokens, heads, width},
          {batch, tokens, key_heads, width},
          {batch, tokens, key_heads, value_width},
          {batch, heads, tokens}};
}
Shapes features_of(const Shapes& shapes) { return {shapes[0], shapes[1]}; }

// Around the ends of chunks of 64.
const std::vector<Shapes> some_shapes{
    shapes_of(2, 5, 4, 2, 3, 5),  shapes_of(1, 1, 2, 1, 2, 3),   shapes_of(1, 0, 2, 1, 2, 3),
    shapes_of(0, 3, 2, 2, 2, 3),  shapes_of(1, 3, 2, 1, 0, 2),   shapes_of(1, 3, 2, 1, 2, 0),
    shapes_of(1, 31, 1, 1, 1, 1), shapes_of(1, 33, 3, 1, 4, 1),  shapes_of(1, 64, 1, 1, 2, 2),
    shapes_of(1, 65, 2, 1, 3, 2), shapes_of(2, 131, 2, 2, 4, 3), shapes_of(1, 1025, 1, 1, 2, 1)};

double terms_of(const Shapes& shapes) {
  return static_cast<double>(shapes[0][1] * std::max<std::int64_t>(1, shapes[0][3]));
}

// Divisors away from 0.
Tensor drawn(std::size_t which, const Shape& shape, std::mt19937_64& random) {
  if (which != 3) return {};
  std::uniform_real_distribution<double> between(0.5, 2.5);
  return make_f64(shape, [&](std::int64_t) { return between(random); });
}

OpCaseOptions attention_on(std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call =
              [](const Inputs& in) {
                return linear_attention(in[0], in[1], in[2], divisor_of(in), {});
              },
          .reference = reference_attention,
          .input = drawn,
          .terms = terms_of,
          .factor = 16};
}
OpCaseOptions divisor_on(const std::vector<Shapes>& shapes) {
  OpCaseOptions options{
      .shapes = {},
      .call = [](const Inputs& in) { return linear_attention_divisor(in[0], in[1], epsilon); },
      .reference = reference_divisor,
      .terms = terms_of,
      .factor = 16};
  for (const auto& each : shapes) options.shapes.push_back(features_of(each));
  return options;
}

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }

OpCaseOptions with_refusals(OpCaseOptions options) {
  const auto call = [](const Shape& q, const Shape& k, const Shape& v, const Shape& divisor,
                       const CausalMask& mask) {
    return linear_attention(zeros_f64(q), zeros_f64(k), zeros_f64(v), zeros_f64(divisor), mask);
  };
  options.refused = {
      {[=] {
         call({1, 2, 3, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 3, 2}, {});
       },
       "[linear_attention] q (1, 2, 3, 4) has 3 heads, no multiple of the 2 of k (1, 2, 2, 4)"},
      {[=] {
         call({1, 2, 4, 4}, {1, 3, 2, 4}, {1, 3, 2, 4}, {1, 4, 2}, {});
       },
       "q (1, 2, 4, 4) and k (1, 3, 2, 4) must agree in sequences, tokens and head size"},
      {[=] {
         call({1, 2, 4, 4}, {1, 2, 2, 4}, {1, 3, 2, 4}, {1, 4, 2}, {});
       },
       "[linear_attention] v (1, 3, 2, 4)"},
      {[=] {
         call({1, 2, 4, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 2, 4}, {});
       },
       "divisor (1, 2, 4) of float64 must be (1, 4, 2) of float64"},
      {[=] {
         call({1, 2, 4, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 4, 2}, {.window = 3});
       },
       "the mask must hide nothing but what comes later"},
      {[=] {
         call({1, 2, 4, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 4, 2},
              {.document_start = zeros({1, 2}, DType::i64)});
       },
       "the mask must hide nothing but what comes later"},
      {[=] {
         call({1, 2, 4, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 4, 2}, {.offset = 1});
       },
       "the mask's offset 1 must be 0"},
      {[] {
         continue_linear_attention(zeros_f64({1, 2, 4, 4}), zeros_f64({1, 2, 2, 4}),
                                   zeros_f64({1, 2, 2, 3}), zeros_f64({1, 4, 2}),
                                   zeros_f64({1, 2, 3, 4}), {});
       },
       "the state must be (1, 2, 4, 3) of float64"}};
  return options;
}

const OpCase attention_case{"linear_attention", with_refusals(attention_on(some_shapes))};
const OpCase divisor_case{"linear_attention_divisor", divisor_on(some_shapes)};

Inputs some_inputs(const Shapes& shapes) { return drawn_inputs(attention_on({}), shapes, 1); }

Tensor part(const Tensor& x, std::int64_t begin, std::int64_t end) {
  return slice(x, 1, begin, end);
}

// However a sequence is cut, its pieces one behind the other give what it gives as a whole.
TEST(LinearAttention, GoesOnFromAState) {
  const NoGrad no_grad;
  constexpr std::int64_t tokens = 150;
  const auto in = some_inputs(shapes_of(2, tokens, 4, 2, 3, 5));
  const auto whole = linear_attention(in[0], in[1], in[2], in[3], {});
  const auto whole_divisor = linear_attention_divisor(in[0], in[1], epsilon);
  for (const std::int64_t step : {1, 7, 64, 65, 150, 200}) {
    Tensor state, sums;
    for (std::int64_t begin = 0; begin < tokens; begin += step) {
      const auto end = std::min(tokens, begin + step);
      const auto q = part(in[0], begin, end), k = part(in[1], begin, end);
      const auto attended = continue_linear_attention(
          q, k, part(in[2], begin, end), slice(in[3], 2, begin, end), state, {.offset = begin});
      const auto divisor = continue_linear_attention_divisor(q, k, epsilon, sums);
      state = attended.state;
      sums = divisor.state;
      expect_close(to_doubles(attended.result), to_doubles(part(whole, begin, end)), 1e3,
                   DType::f64);
      expect_close(to_doubles(divisor.result), to_doubles(slice(whole_divisor, 2, begin, end)), 1e3,
                   DType::f64);
    }
  }
}

// NaN and infinity in a later row, wherever it stands in a chunk, change no bit of the rows before.
TEST(LinearAttention, WhatComesLaterIsNotRead) {
  constexpr std::int64_t tokens = 70;
  const auto shapes = shapes_of(1, tokens, 2, 1, 3, 4);
  const auto call = [](const Inputs& in) {
    return linear_attention(in[0], in[1], in[2], linear_attention_divisor(in[0], in[1], 1), {});
  };
  const auto clean = to_doubles(call(some_inputs(shapes)));
  for (const double poison : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const std::int64_t row : {1, 30, 63, 64, 69}) {
      for (const std::size_t which : {1U, 2U}) {
        const auto in = some_inputs(shapes);
        in[which].elements<double>()[static_cast<std::size_t>(row * in[which].size(3))] = poison;
        const auto poisoned = to_doubles(call(in));
        const auto before = static_cast<std::ptrdiff_t>(row * 2 * 4);
        EXPECT_TRUE(std::equal(clean.begin(), clean.begin() + before, poisoned.begin()))
            << row << " of input " << which;
        EXPECT_FALSE(std::isfinite(poisoned[static_cast<std::size_t>(before)]));
      }
    }
  }
}

// A shorter sequence gives the first rows.
TEST(LinearAttention, DoesNotDependOnTheLength) {
  const auto in = some_inputs(shapes_of(1, 140, 2, 1, 16, 8));
  const auto whole = linear_attention(in[0], in[1], in[2], in[3], {});
  for (const std::int64_t tokens : {1, 2, 63, 64, 65, 100, 129}) {
    const auto some = linear_attention(part(in[0], 0, tokens), part(in[1], 0, tokens),
                                       part(in[2], 0, tokens), slice(in[3], 2, 0, tokens), {});
    expect_close(to_doubles(some), to_doubles(part(whole, 0, tokens)), 1e2, DType::f64);
  }
}

TEST(LinearAttention, HasTheSameBitsAtAnyNumberOfThreads) {
  auto options = attention_on({});
  const auto in = as_dtype(some_inputs(shapes_of(2, 300, 4, 2, 8, 8)), DType::f32);
  std::vector<std::vector<double>> first;
  for (const int threads : {1, 2, 3}) {
    const auto before = num_threads();
    set_num_threads(threads);
    const auto [y, gradients] = run_with_gradients(options, in);
    set_num_threads(before);
    std::vector<std::vector<double>> all{to_doubles(y)};
    for (const auto& gradient : gradients) all.push_back(to_doubles(gradient));
    if (first.empty()) first = all;
    EXPECT_EQ(all, first) << threads;
  }
}

}  // namespace
}  // namespace lookback::testing
