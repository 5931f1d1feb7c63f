#include "autograd/ops/composed_attention.h"

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "tests/autograd/composed_inputs.h"

namespace lookback::testing {
namespace {

const CausalMask plain_mask{.offset = 3, .window = 6};

// Two documents: the second begins at key 4.
CausalMask documents_mask(const Tensor& q, std::int64_t offset) {
  const auto start = empty({q.size(0), q.size(1)}, DType::i64);
  for (std::int64_t i = 0; i < start.numel(); ++i)
    start.data<std::int64_t>()[i] = offset + i % q.size(1) >= 4 ? 4 : 0;
  return {.offset = offset, .document_start = to_device(start, q.device())};
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
  const auto& q = scores.piece.q[0];
  const auto& k = scores.piece.k[0];
  const auto& mixing = scores.mixing;
  const auto& slopes = scores.piece.slopes;
  const auto cap = scores.piece.soft_cap;
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
          if (!shows(mask, b, t, s)) continue;
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
        dot *= composed_scale;
        if (cap > 0) dot = cap * std::tanh(dot / cap);
        if (slopes.defined())
          dot -= slopes.data<double>()[h] * static_cast<double>(mask.offset + t - s);
        return dot;
      });
      for (std::int64_t h = 0; h < heads; ++h) {
        double most = -std::numeric_limits<double>::infinity(), total = 0;
        for (std::int64_t s = 0; s < keys; ++s)
          if (shows(mask, b, t, s)) most = std::max(most, at(b, h, t, s));
        for (std::int64_t s = 0; s < keys; ++s)
          if (shows(mask, b, t, s)) total += at(b, h, t, s) = std::exp(at(b, h, t, s) - most);
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

std::vector<Shapes> shapes_of(const std::vector<ComposedSizes>& all, bool fixed, bool values) {
  std::vector<Shapes> result;
  for (const auto& sizes : all) {
    auto shapes = sizes.scores();
    if (fixed) shapes.push_back(sizes.fixed());
    if (values) shapes.push_back(sizes.values());
    result.push_back(std::move(shapes));
  }
  return result;
}

const std::vector<ComposedSizes> sizes{{2, 5, 8, 4, 2, 3, 5, 2},  {1, 1, 4, 2, 1, 2, 3, 1},
                                       {1, 3, 0, 2, 1, 2, 2, 2},  {1, 0, 3, 2, 2, 2, 2, 1},
                                       {1, 1, 1, 1, 1, 1, 1, 3},  {1, 33, 36, 2, 1, 4, 3, 2},
                                       {1, 70, 73, 2, 2, 3, 2, 1}};

double keys_of(const Shapes& shapes) {
  return static_cast<double>(shapes[1][1] + shapes[1][3] * shapes[2][4] * shapes[2][3]);
}

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }
ComposedScores zero_scores(const ComposedSizes& of) {
  const auto shapes = of.scores();
  return {{.q = {zeros_f64(shapes[0])}, .k = {zeros_f64(shapes[1])}, .scales = zeros_f64({1})},
          {zeros_f64(shapes[2]), zeros_f64(shapes[3])}};
}
constexpr ComposedSizes small{1, 2, 2, 4, 2, 3, 3, 1};

const OpCase plain_case{
    "composed_attention",
    {.shapes = shapes_of(sizes, false, true),
     .call = [](const Inputs& in) { return plain_scores(in).apply(in[4], plain_mask); },
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
                    scores.apply(zeros_f64(small.values()), {});
                  },
                  "[composed_attention] mixing.query (1, 2, 2, 4, 4) of float64 must be (1, 2, 2, "
                  "2 rank + "
                  "1, 4) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.mixing.key = zeros_f64({1, 2, 2, 5, 4});
                    scores.apply(zeros_f64(small.values()), {});
                  },
                  "must have one rank"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.mixing.fixed = zeros_f64({4, 4});
                    scores.apply(zeros_f64(small.values()), {});
                  },
                  "mixing.fixed must be (2, 4, 4) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.piece.slopes = zeros_f64({2});
                    scores.weights({});
                  },
                  "[composed_attention_weights] slopes (2,) of float64 must be (4,) of float64"},
                 {[] {
                    auto scores = zero_scores(small);
                    scores.piece.soft_cap = -1;
                    scores.apply(zeros_f64(small.values()), {});
                  },
                  "soft_cap -1 must be above 0"},
                 {[] {
                    zero_scores(small).apply(zeros_f64({1, 3, 2, 3}), {});
                  },
                  "[composed_attention] v (1, 3, 2, 3)"}}}};

const OpCase options_case{"composed_attention/options",
                          {.shapes = shapes_of(sizes, true, true),
                           .call =
                               [](const Inputs& in) {
                                 return scores_with_all(in).apply(in[5], documents_mask(in[0], 2));
                               },
                           .reference =
                               [](const Inputs& in) {
                                 const auto weights = reference_weights(scores_with_all(in),
                                                                        documents_mask(in[0], 2));
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
     .call = [](const Inputs& in) { return plain_scores(in).weights(plain_mask); },
     .reference = [](const Inputs& in) { return reference_weights(plain_scores(in), plain_mask); },
     .low = -1,
     .high = 1,
     .terms = keys_of,
     .factor = 64,
     .large = 0}};

}  // namespace
}  // namespace lookback::testing
