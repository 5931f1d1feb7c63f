// Cross-layer residuals: at one of its two sites layer l > 0 adds to the stream
//   sum_{i < l} w_i term_i  +  w_l own       (without the last where include_self is false)
// in place of its own output alone; or puts that sum in the stream's place (stream = replace).
// weights: sum: w = 1; mean: w = 1 / m; learned: softmax of m logits, m the number of terms. Layer
// 0 is a plain one. A scheme says what term_i is.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "nn/layer/residual_scheme.h"

namespace lookback {

// The factors of one sum. Either they are all `uniform`, or those of `each` (each a tensor [1]).
struct LayerWeights {
  double uniform = 1;
  std::vector<Tensor> each = {};  // empty: uniform
};

class CrossLayerScheme : public ResidualScheme {
 public:
  ResidualSum after_attention(const Tensor& layer_input, const Tensor& own,
                              const ForwardPass& pass) const final;
  ResidualSum after_mlp(const Tensor& layer_input, const Tensor& stream, const Tensor& own,
                        const ForwardPass& pass) const final;
  Tensor effective_value() const final;
  // In the last layer, without its own output: what only that output reads.
  std::vector<std::string> inert(const LlamaConfig& config) const override;

 protected:
  using Site = CrossLayerResidual::Site;
  // The names of a layer's two sites below it.
  static constexpr std::array<std::string_view, 2> attention_parts{"input_layernorm", "self_attn."};
  static constexpr std::array<std::string_view, 2> mlp_parts{"post_attention_layernorm", "mlp."};
  // `parameter`: the name of the learned logits.
  CrossLayerScheme(ChildOf place, const LlamaConfig& config, std::int64_t layer,
                   Precision precision, std::string parameter);

  // sum_{i < l} w_i term_i [B, T, D]; `weights.each` may hold one more than l, this layer's own.
  virtual Tensor earlier_total(const Tensor& layer_input, const ForwardPass& pass,
                               const LayerWeights& weights) const = 0;

  // Writes a term into the pass's trace, where there is one.
  void trace_term(const ForwardPass& pass, std::int64_t source, const Tensor& value) const;

  const CrossLayerResidual cross_;
  const std::int64_t layer_;

 private:
  ResidualSum modified(const Tensor& layer_input, const Tensor& stream, const Tensor& own,
                       const ForwardPass& pass) const;
  LayerWeights weights(const ForwardPass& pass) const;
  std::int64_t terms() const { return cross_.include_self ? layer_ + 1 : layer_; }

  Tensor logits_;  // undefined unless learned
};

}  // namespace lookback
