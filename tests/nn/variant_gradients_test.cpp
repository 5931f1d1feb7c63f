// Gradients of whole small variants: against differences, and which of them are zero by
// construction.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/variants.h"
#include "tests/nn/variants_by_scale.h"

namespace lookback::testing {
namespace {

// As few numbers as a model with all its parts can have: gradcheck runs it twice for each.
LlamaConfig tiny_config(std::int64_t layers) {
  LlamaConfig config;
  config.vocab_size = 3;
  config.hidden_size = 2;
  config.intermediate_size = 2;
  config.num_hidden_layers = layers;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 2;
  config.max_position_embeddings = 8;
  config.rms_norm_eps = 1e-2;  // two numbers often have a small root mean square
  return config;
}

TEST_P(VariantsByScale, EveryGradientPassesTheCheck) {
  const OneThread one_thread;
  for (const auto& [name, config] : variants_with_scale(tiny_config(3), GetParam())) {
    const auto llama = make_variant(config);
    const auto ids = some_ids(1, 4, config.vocab_size);
    const auto targets = next_token_targets(ids);
    std::vector<Tensor> parameters;
    for (const auto& parameter : llama->parameters()) parameters.push_back(parameter.tensor);
    const auto loss = [&](const Inputs&) { return llama->loss(ids, targets).loss_sum; };
    const auto result = gradcheck(loss, parameters);
    EXPECT_TRUE(result.passed) << name << ": " << result.message;
  }
}

std::set<std::string> below(const Llama& llama, const std::vector<std::string>& prefixes) {
  std::set<std::string> names;
  for (const auto& parameter : llama.parameters()) {
    for (const auto& prefix : prefixes) {
      if (parameter.name.starts_with(prefix)) names.insert(parameter.name);
    }
  }
  return names;
}

// The parameters whose gradient is zero by construction, as it is written down for the variants.
std::set<std::string> inert(const Llama& llama) {
  using Site = CrossLayerResidual::Site;
  const auto& config = llama.config;
  const auto layers = config.num_hidden_layers;
  std::vector<std::string> prefixes;
  const auto add = [&](std::int64_t layer, const std::vector<std::string>& parts) {
    for (const auto& part : parts)
      prefixes.push_back(fmt::format("model.layers.{}.{}", layer, part));
  };
  const std::vector<std::string> attention{"input_layernorm", "self_attn."};
  const std::vector<std::string> mlp{"post_attention_layernorm", "mlp."};
  const auto& cross = config.cross_layer_residual;
  if (cross && !cross->include_self && layers > 1) {
    const bool replace = cross->stream == CrossLayerResidual::Stream::replace;
    const auto last = layers - 1;
    add(last, cross->site == Site::attention ? attention : mlp);
    if (cross->site == Site::mlp && replace) add(last, attention);
    if (cross->site == Site::attention && replace && cross->source == "stored") add(last - 1, mlp);
    const std::vector<std::string> learned{"modified_residual_", "mlp_residual_weights",
                                           "attn_residual_weights"};
    add(1, learned);  // of a single term
    // What the layer before the last leaves in the stream is cut off, and nobody runs it again.
    if (replace && cross->source == "stored") add(last - 1, learned);
  }
  if (config.score_scale == "power") add(0, {"self_attn.modified_scaling.b"});
  if (config.score_scale == "per_layer_share") add(0, {"self_attn.modified_scaling.score_params"});
  return below(llama, prefixes);
}

// Those whose gradient is nothing but rounding.
std::set<std::string> without_gradient(const Llama& llama) {
  const auto ids = some_ids(2, 6, llama.config.vocab_size);
  backward(mean_loss(llama.loss(ids, next_token_targets(ids))));
  std::map<std::string, double> sizes;
  double largest = 0;
  for (const auto& [name, parameter] : by_name(llama)) {
    const auto grad = gradient(parameter);
    sizes[name] = grad.defined() ? largest_element(grad) : 0;
    largest = std::max(largest, sizes[name]);
  }
  std::set<std::string> names;
  for (const auto& [name, size] : sizes) {
    if (size <= 1e-14 * largest) names.insert(name);
  }
  return names;
}

TEST_P(VariantsByScale, InertParametersAreThoseWrittenDown) {
  const OneThread one_thread;
  for (std::int64_t layers = 1; layers <= 4; ++layers) {
    auto base = small_config();
    base.num_hidden_layers = layers;
    base.attention_bias = base.mlp_bias = true;
    for (const auto& [name, config] : variants_with_scale(base, GetParam())) {
      const auto llama = make_variant(config);
      std::vector<std::string> different;
      std::ranges::set_symmetric_difference(without_gradient(*llama), inert(*llama),
                                            std::back_inserter(different));
      EXPECT_THAT(different, ::testing::IsEmpty()) << layers << " layers: " << name;
    }
  }
}

}  // namespace
}  // namespace lookback::testing
