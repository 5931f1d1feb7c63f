// The causal proof from C++: a Llama with a score scheme of one's own, proved to look at no later
// token, whatever its weights are.
//
// Built against an installed Lookback as apps/examples/gradients.cpp is.
#include <fmt/core.h>

#include "nn/llama/config_file.h"
#include "nn/proof/causal_proof.h"

int main() {
  auto config = lookback::built_in_llama_config("smoke");
  config.score_scale = "per_layer";  // a layer adds up the scores of all layers before it
  const auto proof = lookback::prove_causal(config, {17, 64});
  if (!proof.proved()) {
    fmt::print("not proved: {}{}\n", proof.not_followed,
               proof.leak ? lookback::describe(*proof.leak) : "");
    return 1;
  }
  for (const auto& path : proof.paths) fmt::print("proved causal: {}\n", path);
  return 0;
}
