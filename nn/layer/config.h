// The shape of a Llama, as Hugging Face's config.json gives it (nn/llama/config_file.h reads it).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autograd/ops/rope_tables.h"

namespace lookback {

// What a layer adds to the residual stream at one of its sites: a weighted sum over its earlier
// layers, and itself. docs/variants.md has the formulas.
struct CrossLayerResidual {
  enum class Site { mlp, attention };
  enum class Weights { sum, mean, learned };
  enum class Stream { add, replace };
  std::string source;  // a name of ResidualSchemes: "recomputed", "stored"
  Site site = Site::mlp;
  Weights weights = Weights::sum;
  Stream stream = Stream::add;
  bool include_self = true;
  friend bool operator==(const CrossLayerResidual&, const CrossLayerResidual&) = default;
};

class AttentionOptions;

// The attention of a layer (nn/layer/attention_options.h). Equal: the same object of config.json.
struct AttentionChoice {
  std::shared_ptr<const AttentionOptions> options;
  friend bool operator==(const AttentionChoice& a, const AttentionChoice& b);
};

// Defaults are those of transformers' LlamaConfig.
struct LlamaConfig {
  std::int64_t vocab_size = 32000;
  std::int64_t hidden_size = 4096;
  std::int64_t intermediate_size = 11008;
  std::int64_t num_hidden_layers = 32;
  std::int64_t num_attention_heads = 32;
  std::int64_t num_key_value_heads = 32;
  std::int64_t head_dim = 128;
  std::int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  double initializer_range = 0.02;
  RopeScaling rope_scaling = {};
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  std::optional<CrossLayerResidual> cross_layer_residual = {};
  // One per layer, or one for all; empty: plain causal attention.
  std::vector<AttentionChoice> attention = {};
  // score_accumulation's scale, a name of ScoreSchemes; empty: each layer's own scores alone.
  std::string score_scale = {};
  // A known mistake, made on purpose (FaultHooks, nn/layer/model_hooks.h); empty: none.
  std::string fault = {};
  // Keys that do not touch the computation (token ids, generation settings), with their JSON text:
  // to_json() hands them on.
  std::map<std::string, std::string> carried = {};
  friend bool operator==(const LlamaConfig&, const LlamaConfig&) = default;
};

}  // namespace lookback
