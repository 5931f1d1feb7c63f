// qk_norm: norms on the queries and keys of a layer, which keep its scores from growing.
//   layer_norm          over the whole projection: q_ln, k_ln (Dehghani et al. 2023; MPT)
//   rms_norm            over the whole projection: q_norm, k_norm (OLMo 2)
//   rms_norm_per_head   over each head, one gain for all: q_norm, k_norm [dk] (Henry et al. 2020;
//                       Qwen3)
#pragma once

#include <memory>

#include "nn/layer/head_options.h"
#include "nn/layer_norm.h"
#include "nn/rms_norm.h"

namespace lookback {

// Its modules stand directly below the mechanism.
class QueryKeyNorm final : public Module {
 public:
  // Widths of the whole projections, and of a head.
  struct Widths {
    std::int64_t query = 0, key = 0, head = 0;
  };
  QueryKeyNorm(ChildOf place, const HeadOptions& options, const Widths& widths,
               const LlamaConfig& config, Precision precision);

  // x [B, T, width of the projection] -> the same; x itself where this is not what is normed.
  Tensor whole_query(const Tensor& x) const { return whole(q_norm_.get(), q_ln_.get(), x); }
  Tensor whole_key(const Tensor& x) const { return whole(k_norm_.get(), k_ln_.get(), x); }
  // x [B, T, heads, width of a head] -> the same
  Tensor query_heads(const Tensor& x) const { return heads(q_norm_.get(), x); }
  Tensor key_heads(const Tensor& x) const { return heads(k_norm_.get(), x); }

 private:
  Tensor whole(const RmsNorm* norm, const LayerNorm* layer_norm, const Tensor& x) const;
  Tensor heads(const RmsNorm* norm, const Tensor& x) const;

  QueryKeyNormKind kind_;
  std::unique_ptr<const RmsNorm> q_norm_, k_norm_;
  std::unique_ptr<const LayerNorm> q_ln_, k_ln_;
};

}  // namespace lookback
