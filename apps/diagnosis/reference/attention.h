// Attention of one layer, a file per family of types: weights from the layer's normed input n, and
// what they say of values, which may be those of another layer's input.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/diagnosis/reference/config.h"
#include "apps/diagnosis/reference/matrix.h"
#include "apps/diagnosis/reference/weights.h"

namespace lookback::reference {

// What a layer saw: enough to run it again on other values.
struct Look {
  Heads weights;      // per head [T, T], as they are applied to values
  Matrix gates = {};  // moh [T, H], moa [T, E] (0: not chosen); else empty
  // Of a learned router [T, E]: its logits, and 1 for what it chose.
  Matrix router_logits = {}, chosen = {};
  std::vector<std::vector<std::size_t>> experts = {};  // moa: of each token, the best first
};

class Attention {
 public:
  Attention(const Config& config, const Weights& weights, std::size_t layer);
  virtual ~Attention() = default;
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

  // S_h[i, j] = q_h[i] . k_h[j], without scale and mask; empty where there are no such scores.
  virtual Heads raw_scores(const Matrix& n) const;
  // The width of a query and a key.
  virtual double score_width() const;
  // What raw scores are multiplied by: softmax_scale, or 1 / sqrt(score_width).
  virtual double scale() const;
  // From scaled scores; n is what gates and dynamic weights are made of.
  virtual Look look(const Matrix& n, const Heads& scores) const;
  // Of n, one per head [T, dv].
  virtual Heads values(const Matrix& n) const;
  // sum_j P_h[i, j] v_h[j], all heads through the output projection.
  virtual Matrix apply(const Look& look, const Heads& values) const;

 protected:
  const Config& config() const { return config_; }
  const AttentionConfig& options() const { return config_.attention[layer_]; }
  const Weights& weights() const { return weights_; }
  std::size_t heads() const { return config_.num_attention_heads; }
  // The tensor below self_attn of this layer.
  std::string name(const std::string& part) const;
  Matrix linear(const Matrix& x, const std::string& part) const;
  Matrix clipped(Matrix x) const;
  Matrix turned_by_position(const Matrix& x) const;
  // A norm over the whole projection of queries or keys ("q", "k"), and one over each head of it.
  Matrix normed(const Matrix& x, const std::string& which) const;
  Heads normed_heads(Heads x, const std::string& which) const;
  // Projected, clipped, normed, cut into heads; not yet turned by position.
  Heads projected(const Matrix& n, const std::string& which) const;
  virtual Heads queries(const Matrix& n) const;
  virtual Heads keys(const Matrix& n) const;
  // Soft cap and distance bias, in place of the scores.
  Heads capped_and_biased(Heads scores) const;
  // Softmax over the visible keys; the others' weights are 0.
  Heads masked_softmax(Heads scores) const;
  // Each head of few for all the query heads that share it.
  Heads for_all_heads(const Heads& few) const;
  static Heads applied(const Heads& weights, const Heads& values);

 private:
  const Config& config_;
  const Weights& weights_;
  std::size_t layer_;
};

// By the type of the layer's options.
std::unique_ptr<Attention> make_attention(const Config& config, const Weights& weights,
                                          std::size_t layer);

// The types that are more than options of the first.
using MakeAttention = std::unique_ptr<Attention>(const Config&, const Weights&, std::size_t);
MakeAttention make_latent, make_collaborative, make_overlapping, make_mixture_of_heads,
    make_mixture_of_experts, make_composed, make_linear_attention, make_bounded;

}  // namespace lookback::reference
