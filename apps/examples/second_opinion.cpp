// The second opinion from C++: a Llama whose layers look back, in float64, against the same model
// written out in plain loops over doubles.
//
// Built against an installed Lookback as apps/examples/gradients.cpp is.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "apps/diagnosis/reference/model.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "nn/initialize.h"
#include "nn/llama/config_file.h"
#include "nn/llama/llama.h"

int main() {
  auto config = lookback::built_in_llama_config("smoke");
  config.num_hidden_layers = 2;
  config.score_scale = "per_layer";  // a layer adds up the scores of all layers before it
  const lookback::Llama llama(config, lookback::precision_of(lookback::DType::f64));
  lookback::initialize(llama.parameters(), config.initializer_range, 0);

  lookback::reference::Weights weights;
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    weights.set(name, {.shape = {tensor.shape().begin(), tensor.shape().end()},
                       .values = lookback::to_vector(tensor)});
  }
  const std::vector<std::int64_t> tokens{3, 1, 4, 1, 5, 9, 2, 6};
  const auto again = lookback::reference::run(
      lookback::reference::read_config(lookback::to_json_in_own_keys(config)), weights, tokens);

  const lookback::NoGrad no_grad;
  const auto logits =
      lookback::to_vector(llama.logits(lookback::from_values(tokens, {1, std::ssize(tokens)})));
  double largest = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    largest = std::max(largest, std::fabs(logits[i] - again.logits.values()[i]));
  fmt::print("logits differ by {:.2g}\n", largest);
  return largest < 1e-12 ? 0 : 1;
}
