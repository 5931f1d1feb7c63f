// Queries, keys and values of a layer's heads as the plain attention makes them of the normalized
// input n, up to rotary positions (dk: head_dim, H query heads, G key/value heads):
//   q = n W^Q + b,  k = n W^K + b,  v = n W^V + b;  with clip_qkv c all three clamped to [-c, c];
//   q and k normed as a whole or head by head where qk_norm says so (query_key_norm.h).
// For every mechanism that changes what comes after.
#pragma once

#include "autograd/ops/linear_joint.h"
#include "autograd/ops/rope.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/query_key_norm.h"
#include "nn/linear.h"

namespace lookback {

// What a mechanism's attended heads go through: [B, T, n, w] -> [B, T, n w].
Tensor joined_heads(const Tensor& x);
// [B, T, n w] -> [B, T, n, w]
Tensor split_heads(const Tensor& x, std::int64_t heads);

// Rotary positions, where the layer has them, over all of the last dimension. x [B, T, n, w]
Tensor with_positions(const Tensor& x, const HeadOptions& options, const ForwardPass& pass,
                      const RopeFormats& formats = {});
Tensor clipped(const Tensor& x, const HeadOptions& options);

// Keys after rotary positions, and values: [B, S, G, w].
struct KeysAndValues {
  Tensor key, value;
};
// Those of the pass, behind those that the layer's cache holds, where the pass has one: what
// scores.attend() takes. The cache then holds them, too.
KeysAndValues keys_and_values_so_far(const Tensor& key, const Tensor& value,
                                     const AttentionScores& scores, const ForwardPass& pass);

class HeadProjections final : public Module {
 public:
  HeadProjections(ChildOf place, const HeadOptions& options, const LlamaConfig& config,
                  Precision precision);

  struct Heads {
    Tensor query;  // [B, T, H, dk]
    Tensor key;    // [B, T, G, dk]
    Tensor value;  // [B, T, G, dk]
  };
  Heads forward(const Tensor& normed) const;
  // The same with rotary positions, where the layer has them, in `dtype`.
  Heads at_positions(const Tensor& normed, const ForwardPass& pass, DType dtype) const;
  // The values alone.
  Tensor values(const Tensor& normed) const;
  // Whether the values are one projection of the normed input.
  bool values_are_linear() const { return !options_.clip; }
  const Linear& value_projection() const { return v_proj_; }
  std::int64_t width() const { return width_; }  // of a head
  // The names of what is zero by construction below it, for scores that go through a softmax: it
  // does not see what is added to all keys of a row alike.
  std::vector<std::string> inert() const;

 private:
  HeadProjections(ChildOf place, const HeadOptions& options, const LlamaConfig& config,
                  Precision precision, RowsOfOne weights);
  // Whether nothing but rotary positions stands between the projections and attention.
  bool are_turned_alone() const;

  HeadOptions options_;
  std::int64_t heads_, key_value_heads_, width_;
  Precision precision_;
  Linear q_proj_, k_proj_, v_proj_;
  QueryKeyNorm norm_;
};

}  // namespace lookback
