#include "apps/diagnosis/weight_scale.h"

#include <fmt/format.h>

#include "kernels/binary.h"

namespace lookback {
namespace {

std::set<std::string> below_attention(const Llama& llama,
                                      std::vector<std::string> ScoreWeights::*side) {
  std::set<std::string> names;
  const auto& layers = llama.model.layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto weights = layers[i]->self_attn->score_weights();
    for (const auto& name : weights.*side) {
      names.insert(fmt::format("model.layers.{}.self_attn.{}", i, name));
    }
  }
  return names;
}

std::set<std::string> all_weights(const Llama& llama) {
  std::set<std::string> names;
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    if (name.ends_with(".weight")) names.insert(name);
  }
  return names;
}

}  // namespace

std::set<std::string> query_weights(const Llama& llama) {
  return below_attention(llama, &ScoreWeights::queries);
}

std::set<std::string> key_weights(const Llama& llama) {
  return below_attention(llama, &ScoreWeights::keys);
}

std::set<std::string> queries_and_keys(const Llama& llama) {
  auto names = query_weights(llama);
  names.merge(key_weights(llama));
  return names;
}

std::vector<WeightScale> weight_scales() {
  // Scores grow with the square of the last factor: 0.1 or so of a fresh model become 10^5.
  return {{"weights as they are", 1, {}},
          {"weights times 8", 8, all_weights},
          {"queries and keys times 1024", 1024, queries_and_keys}};
}

void apply(const WeightScale& scale, const Llama& llama) {
  if (!scale.scaled) return;
  const auto scaled = scale.scaled(llama);
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    if (!scaled.contains(name) || tensor.rank() < 2) continue;
    kernels::affine_forward(tensor.backend(),
                            {.x = tensor, .y = tensor, .scale = scale.factor, .shift = 0});
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
