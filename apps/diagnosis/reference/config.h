// What config.json says about a model, read a second time: the keys of a Llama and those of ours
// (docs/variants.md), with every default filled in. It shares no code with nn/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"

namespace lookback::reference {

// Which keys a query sees beside itself; without one all before it.
struct Pattern {
  std::vector<std::size_t> dilation;  // one for all heads, or one per head
  std::vector<std::size_t> global_tokens;
  std::size_t sliding_window = 1, num_random_blocks = 0, block_size = 1;
  std::uint64_t random_seed = 0;
};

// attention_mechanism of one layer. What another type has stays at its default.
struct AttentionConfig {
  std::string type = "causal";
  std::optional<double> softmax_scale, soft_cap, clip_qkv;
  std::string positions = "rope";  // or alibi, none
  double alibi_bias_max = 8;
  std::string qk_norm;  // or layer_norm, rms_norm, rms_norm_per_head
  std::optional<Pattern> pattern;
  // mla; q_lora_rank 0: queries are not compressed
  std::size_t q_lora_rank = 0, kv_lora_rank = 0;
  std::size_t qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  bool rope_interleave = true;
  std::size_t key_query_dim = 0;  // collaborative
  std::size_t overlap_dim = 0;    // mohsa
  // moh
  std::size_t num_shared_heads = 0, num_selected_heads = 0;
  std::string router = "learned";  // or query_norm
  // moa
  std::size_t num_experts = 0, num_experts_per_tok = 0;
  bool norm_topk_prob = false;
  double balance_loss = 0, z_loss = 0;  // moh, moa: what the routers' losses are multiplied by
  // dcmha
  std::size_t rank = 2;
  bool static_projection = false;
  double epsilon = 1e-6;  // linear
};

struct CrossLayer {
  std::string site, source, weights;  // mlp, attention; recomputed, stored; sum, mean, learned
  bool replaces_stream = false, include_self = true;
};

struct RopeScaling {
  std::string type = "default";  // or linear, llama3, yarn
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  double original_positions = 0;
  double beta_fast = 32, beta_slow = 1;
  std::optional<double> mscale, mscale_all_dim, attention_factor;
};

// Which keys decoding keeps, token by token; of no config, but of a way of running a model.
struct CacheBudget {
  std::string policy;  // streaming_llm: the first `sinks` and the latest; h2o: `heavy` and latest
  std::size_t sinks = 0, recent = 0, heavy = 0;
};

struct Config {
  std::size_t hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  std::size_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  double rms_norm_eps = 1e-6, rope_theta = 10000, max_position_embeddings = 2048;
  bool tie_word_embeddings = false, attention_bias = false;
  RopeScaling rope_scaling;
  std::vector<AttentionConfig> attention;  // of each layer
  std::optional<CrossLayer> cross_layer;
  std::string score_scale;  // of score_accumulation; empty: layers do not add up scores
  std::optional<CacheBudget> budget = {};
};

// A model that this second reading has no words for: it cannot be compared.
class UnknownToReference : public Error {
 public:
  using Error::Error;
};

// Reads the keys that nn/llama/config_file.h writes for every model (to_json_in_own_keys); a fault
// is left out, for the reference has none. Throws UnknownToReference.
Config read_config(std::string_view json);

}  // namespace lookback::reference
