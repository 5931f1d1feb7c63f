#include "apps/diagnosis/weight_scale.h"

#include "kernels/binary.h"

namespace lookback {
namespace {

bool is_score_projection(std::string_view name) {
  return name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight");
}

}  // namespace

std::vector<WeightScale> weight_scales() {
  // Scores grow with the square of the last factor: 0.1 or so of a fresh model become 10^5.
  return {{"weights as they are", 1, {}},
          {"weights times 8", 8, [](std::string_view name) { return name.ends_with(".weight"); }},
          {"queries and keys times 1024", 1024, is_score_projection}};
}

void apply(const WeightScale& scale, const Llama& llama) {
  if (!scale.scales) return;
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    if (!scale.scales(name) || tensor.rank() < 2) continue;
    kernels::affine_forward(tensor.backend(),
                            {.x = tensor, .y = tensor, .scale = scale.factor, .shift = 0});
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
