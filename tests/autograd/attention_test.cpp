#include "autograd/ops/attention.h"

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/attention_weights.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const CausalMask plain_mask{.offset = 3, .window = 6};

// Two documents: the second begins at key 4.
CausalMask documents_mask(std::int64_t sequences, std::int64_t rows, std::int64_t offset,
                          Device device) {
  const auto start = empty({sequences, rows}, DType::i64);
  for (std::int64_t i = 0; i < start.numel(); ++i)
    start.data<std::int64_t>()[i] = offset + i % rows >= 4 ? 4 : 0;
  return {.offset = offset, .document_start = to_device(start, device)};
}

bool visible(const CausalMask& mask, std::int64_t b, std::int64_t t, std::int64_t s) {
  const auto position = mask.offset + t;
  if (s > position || (mask.window > 0 && s <= position - mask.window)) return false;
  const auto& start = mask.document_start;
  return !start.defined() || s >= start.data<std::int64_t>()[b * start.size(1) + t];
}

// weights[b, h, t, s], from contiguous operands in f64.
struct Form {
  double soft_cap = 0;
  std::vector<double> slopes = {};
};
Tensor reference_weights(const std::vector<Tensor>& q, const std::vector<Tensor>& k,
                         const Tensor& scales, const CausalMask& mask, const Form& form = {}) {
  const auto rows = q[0].size(1);
  const auto heads = q[0].size(2);
  const auto keys = k[0].size(1);
  const auto key_heads = k[0].size(2);
  const auto score = [&](std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) {
    double sum = 0;
    for (std::size_t p = 0; p < q.size(); ++p) {
      const auto width = q[p].size(3);
      const double* query = q[p].data<double>() + ((b * rows + t) * heads + h) * width;
      const double* key =
          k[p].data<double>() + ((b * keys + s) * key_heads + h / (heads / key_heads)) * width;
      for (std::int64_t d = 0; d < width; ++d) sum += scales.data<double>()[p] * query[d] * key[d];
    }
    if (form.soft_cap > 0) sum = form.soft_cap * std::tanh(sum / form.soft_cap);
    if (!form.slopes.empty()) {
      sum -= form.slopes[static_cast<std::size_t>(h)] * static_cast<double>(mask.offset + t - s);
    }
    return sum;
  };
  return make_f64({q[0].size(0), heads, rows, keys}, [&](std::int64_t i) {
    const auto b = i / (heads * rows * keys);
    const auto h = i / (rows * keys) % heads;
    const auto t = i / keys % rows;
    const auto s = i % keys;
    if (!visible(mask, b, t, s)) return 0.0;
    double total = 0;
    for (std::int64_t other = 0; other < keys; ++other) {
      if (visible(mask, b, t, other)) total += std::exp(score(b, h, t, other) - score(b, h, t, s));
    }
    return 1 / total;
  });
}

Tensor reference_values(const Tensor& weights, const Tensor& v, const CausalMask& mask) {
  const auto heads = weights.size(1);
  const auto rows = weights.size(2);
  const auto keys = weights.size(3);
  const auto key_heads = v.size(2);
  const auto width = v.size(3);
  return make_f64({v.size(0), rows, heads, width}, [&](std::int64_t i) {
    const auto h = i / width % heads;
    const auto t = i / (width * heads) % rows;
    const auto b = i / (width * heads * rows);
    double sum = 0;
    for (std::int64_t s = 0; s < keys; ++s) {
      if (!visible(mask, b, t, s)) continue;
      sum += weights.data<double>()[((b * heads + h) * rows + t) * keys + s] *
             v.data<double>()[((b * keys + s) * key_heads + h / (heads / key_heads)) * width +
                              i % width];
    }
    return sum;
  });
}

// q, k, v: [B, T, H, K], [B, S, G, K], [B, S, G, V].
const std::vector<Shapes> one_piece_shapes{{{2, 5, 4, 3}, {2, 8, 2, 3}, {2, 8, 2, 5}},
                                           {{1, 1, 2, 2}, {1, 4, 1, 2}, {1, 4, 1, 3}},
                                           {{1, 3, 2, 2}, {1, 0, 1, 2}, {1, 0, 1, 2}},
                                           {{1, 0, 2, 2}, {1, 3, 1, 2}, {1, 3, 1, 2}},
                                           {{1, 65, 2, 8}, {1, 68, 1, 8}, {1, 68, 1, 4}}};

// Fixed scales, in whichever dtype goes with the operands.
Tensor fixed_scales(const Tensor& q, std::vector<double> values) {
  const auto scales = empty({static_cast<std::int64_t>(values.size())}, accumulator_of(q.dtype()));
  visit_floating(scales.dtype(), [&]<class T>(TypeTag<T>) {
    for (std::size_t p = 0; p < values.size(); ++p) scales.data<T>()[p] = static_cast<T>(values[p]);
  });
  return to_device(scales, q.device());
}

AttentionPieces one_piece(const Inputs& in) {
  return {.q = {in[0]}, .k = {in[1]}, .scales = fixed_scales(in[0], {0.7})};
}

double keys_of(const Shapes& shapes) { return static_cast<double>(shapes[1][1] + shapes[1][3]); }

Tensor zeros_f64(const Shape& shape) { return zeros(shape, DType::f64); }
AttentionPieces zero_pieces(const Shape& q, const Shape& k) {
  return {.q = {zeros_f64(q)}, .k = {zeros_f64(k)}, .scales = zeros_f64({1})};
}

const OpCase attention_case{
    "attention",
    {.shapes = one_piece_shapes,
     .call = [](const Inputs& in) { return attention(one_piece(in), in[2], plain_mask).y; },
     .reference =
         [](const Inputs& in) {
           const auto weights =
               reference_weights({in[0]}, {in[1]}, fixed_scales(in[0], {0.7}), plain_mask);
           return reference_values(weights, in[2], plain_mask);
         },
     .terms = keys_of,
     .large = 4,  // scores of a hundred
     .refused =
         {{[] {
             attention(zero_pieces({1, 2, 3, 4}, {1, 2, 2, 4}), zeros_f64({1, 2, 2, 4}), {});
           },
           "[attention] piece 0: q (1, 2, 3, 4) has 3 heads, no multiple of the 2 of k (1, 2, 2, "
           "4)"},
          {[] {
             attention(zero_pieces({1, 2, 4, 4}, {1, 2, 2, 3}), zeros_f64({1, 2, 2, 4}), {});
           },
           "q (1, 2, 4, 4) and k (1, 2, 2, 3) must agree in sequences and head size"},
          {[] {
             attention(zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4}), zeros_f64({1, 3, 2, 4}), {});
           },
           "[attention] v (1, 3, 2, 4)"},
          {[] {
             auto pieces = zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4});
             pieces.scales = zeros_f64({2});
             attention(pieces, zeros_f64({1, 2, 2, 4}), {});
           },
           "scales (2,) of float64 must be (1,) of float64"},
          {[] {
             attention_replay(zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4}), zeros_f64({1, 2, 4}),
                              zeros_f64({1, 2, 2, 4}), {});
           },
           "[attention_replay] log_sum_exp (1, 2, 4) of float64 must be (1, 4, 2) of float64"},
          {[] {
             attention(zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4}), zeros_f64({1, 2, 2, 4}),
                       {.window = -1});
           },
           "window -1 must not be negative"},
          {[] {
             auto pieces = zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4});
             pieces.soft_cap = -1;
             attention(pieces, zeros_f64({1, 2, 2, 4}), {});
           },
           "soft_cap -1 must be above 0, or 0 for none"},
          {[] {
             auto pieces = zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4});
             pieces.slopes = zeros_f64({2});
             attention(pieces, zeros_f64({1, 2, 2, 4}), {});
           },
           "slopes (2,) of float64 must be (4,) of float64: one number for each query head"},
          {[] {
             auto pieces = zero_pieces({1, 2, 4, 4}, {1, 2, 2, 4});
             pieces.slopes = zeros_f64({4});
             set_requires_grad(pieces.slopes);
             attention(pieces, zeros_f64({1, 2, 2, 4}), {});
           },
           "slopes require a gradient: they have none"}}}};

// A soft cap and slopes, of one query row as well, whose block holds heads instead of rows.
const Form cap_and_slopes{.soft_cap = 1.25, .slopes = {0.5, 0.125}};
AttentionPieces formed_piece(const Inputs& in) {
  auto pieces = one_piece(in);
  pieces.soft_cap = cap_and_slopes.soft_cap;
  pieces.slopes = fixed_scales(in[0], cap_and_slopes.slopes);
  return pieces;
}
Tensor formed_weights(const Inputs& in) {
  return reference_weights({in[0]}, {in[1]}, fixed_scales(in[0], {0.7}), plain_mask,
                           cap_and_slopes);
}
const std::vector<Shapes> two_head_shapes{{{2, 5, 2, 3}, {2, 8, 1, 3}, {2, 8, 1, 5}},
                                          {{1, 1, 2, 2}, {1, 4, 1, 2}, {1, 4, 1, 3}},
                                          {{1, 0, 2, 2}, {1, 3, 1, 2}, {1, 3, 1, 2}},
                                          {{1, 31, 2, 4}, {1, 34, 2, 4}, {1, 34, 2, 1}},
                                          {{1, 65, 2, 8}, {1, 68, 1, 8}, {1, 68, 1, 4}}};
const OpCase form_case{
    "attention/form",
    {.shapes = two_head_shapes,
     .call = [](const Inputs& in) { return attention(formed_piece(in), in[2], plain_mask).y; },
     .reference =
         [](const Inputs& in) { return reference_values(formed_weights(in), in[2], plain_mask); },
     .terms = keys_of,
     .large = 4}};
const OpCase formed_replay_case{
    "attention_replay/form",
    {.shapes = two_head_shapes,
     .call =
         [](const Inputs& in) {
           const auto pieces = formed_piece(in);
           const auto left = std::make_shared<LeftByReplays>();
           const auto earlier = attention(pieces, in[1], plain_mask, left);
           return attention_replay(pieces, earlier.log_sum_exp, in[2], plain_mask, left);
         },
     .reference =
         [](const Inputs& in) { return reference_values(formed_weights(in), in[2], plain_mask); },
     .terms = keys_of,
     .factor = 16,
     .large = 0}};
// Inputs: q, k.
const OpCase formed_weights_case{
    "attention_weights/form",
    {.shapes = {{{2, 5, 2, 3}, {2, 8, 1, 3}},
                {{1, 1, 2, 2}, {1, 4, 1, 2}},
                {{1, 3, 2, 2}, {1, 0, 1, 2}},
                {{1, 65, 2, 8}, {1, 68, 1, 8}}},
     .call = [](const Inputs& in) { return attention_weights(formed_piece(in), plain_mask); },
     .reference = formed_weights,
     .terms = keys_of,
     .factor = 32,
     .large = 0,
     .dtypes = {DType::f64, DType::f32}}};

// Two pieces, learned scales, documents. Inputs: q0, k0, q1, k1, scales, v.
AttentionPieces two_pieces(const Inputs& in) {
  return {.q = {in[0], in[2]}, .k = {in[1], in[3]}, .scales = in[4]};
}
const OpCase pieces_case{
    "attention/pieces",
    {.shapes = {{{2, 4, 4, 2}, {2, 6, 2, 2}, {2, 4, 4, 3}, {2, 6, 2, 3}, {2}, {2, 6, 2, 5}},
                {{1, 70, 2, 2}, {1, 72, 1, 2}, {1, 70, 2, 3}, {1, 72, 1, 3}, {2}, {1, 72, 1, 5}}},
     .call =
         [](const Inputs& in) {
           const auto mask = documents_mask(in[0].size(0), in[0].size(1), 2, in[0].device());
           return attention(two_pieces(in), in[5], mask).y;
         },
     .reference =
         [](const Inputs& in) {
           const auto mask = documents_mask(in[0].size(0), in[0].size(1), 2, cpu_device);
           return reference_values(reference_weights({in[0], in[2]}, {in[1], in[3]}, in[4], mask),
                                   in[5], mask);
         },
     .terms = keys_of,
     .factor = 16,
     .large = 0,
     .dtypes = {DType::f64, DType::f32}}};

// The replay of one run's weights on other values; the log-sum-exp follows the pieces.
const OpCase replay_case{
    "attention_replay",
    {.shapes = one_piece_shapes,
     .call =
         [](const Inputs& in) {
           const auto pieces = one_piece(in);
           const auto values = empty(in[1].shape(), in[1].dtype());
           for (std::int64_t i = 0; i < values.numel(); ++i) {
             visit_floating(values.dtype(),
                            [&]<class T>(TypeTag<T>) { values.data<T>()[i] = T(0.5F); });
           }
           const auto left = std::make_shared<LeftByReplays>();
           const auto earlier =
               attention(pieces, to_device(values, in[1].device()), plain_mask, left);
           return attention_replay(pieces, earlier.log_sum_exp, in[2], plain_mask, left);
         },
     .reference =
         [](const Inputs& in) {
           const auto weights =
               reference_weights({in[0]}, {in[1]}, fixed_scales(in[0], {0.7}), plain_mask);
           return reference_values(weights, in[2], plain_mask);
         },
     .terms = keys_of,
     .factor = 16,
     .large = 0}};

const OpCase weights_case{
    "attention_weights",
    {.shapes = {{{2, 4, 4, 2}, {2, 6, 2, 2}, {2, 4, 4, 3}, {2, 6, 2, 3}, {2}},
                {{1, 2, 1, 2}, {1, 0, 1, 2}, {1, 2, 1, 1}, {1, 0, 1, 1}, {2}},
                {{1, 70, 2, 2}, {1, 72, 1, 2}, {1, 70, 2, 3}, {1, 72, 1, 3}, {2}}},
     .call = [](const Inputs& in) { return attention_weights(two_pieces(in), plain_mask); },
     .reference =
         [](const Inputs& in) {
           return reference_weights({in[0], in[2]}, {in[1], in[3]}, in[4], plain_mask);
         },
     .terms = keys_of,
     .factor = 32,
     .large = 0,
     .dtypes = {DType::f64, DType::f32}}};

const OpCase apply_case{
    "apply_attention_weights",
    {.shapes = {{{2, 4, 3, 7}, {2, 7, 2, 5}},
                {{1, 1, 1, 0}, {1, 0, 1, 2}},
                {{1, 2, 70, 73}, {1, 73, 1, 4}}},
     .call = [](const Inputs& in) { return apply_attention_weights(in[0], in[1], plain_mask); },
     .reference = [](const Inputs& in) { return reference_values(in[0], in[1], plain_mask); },
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[1][1]); },
     .refused = {{[] {
                    apply_attention_weights(zeros_f64({1, 3, 2, 4}), zeros_f64({1, 4, 2, 4}), {});
                  },
                  "weights (1, 3, 2, 4) has 3 heads, no multiple of the 2 of v (1, 4, 2, 4)"},
                 {[] {
                    apply_attention_weights(zeros_f64({1, 2, 2, 4}), zeros_f64({1, 5, 2, 4}), {});
                  },
                  "must agree with v (1, 5, 2, 4) in sequences and keys"}}}};

}  // namespace
}  // namespace lookback::testing
