// Small models for tests.
#pragma once

#include <memory>

#include "nn/initialize.h"
#include "nn/llama/llama.h"

namespace lookback::testing {

inline LlamaConfig small_config() {
  LlamaConfig config;
  config.vocab_size = 13;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  config.max_position_embeddings = 32;
  config.rms_norm_eps = 1e-5;
  return config;
}

// Weights larger than a fresh model's, so that no gradient is close to zero.
inline std::unique_ptr<Llama> make_llama(const LlamaConfig& config, DType dtype = DType::f64,
                                         std::uint64_t seed = 0) {
  auto llama = std::make_unique<Llama>(config, precision_of(dtype));
  initialize(llama->parameters(), 0.3, seed);
  return llama;
}

// Token ids that depend on `start` alone.
inline Tensor some_ids(std::int64_t batch, std::int64_t tokens, std::int64_t vocabulary,
                       std::int64_t start = 1) {
  const auto ids = empty({batch, tokens}, DType::i64);
  auto state = static_cast<std::uint64_t>(start);
  for (auto& id : ids.elements<std::int64_t>()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    id = static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(vocabulary));
  }
  return ids;
}

}  // namespace lookback::testing
