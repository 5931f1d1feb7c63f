// Gradients of whole small variants: against differences, and which of them are zero by
// construction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "nn/llama/inert_parameters.h"
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
      std::ranges::set_symmetric_difference(without_gradient(*llama), inert_parameters(*llama),
                                            std::back_inserter(different));
      EXPECT_THAT(different, ::testing::IsEmpty()) << layers << " layers: " << name;
    }
  }
}

}  // namespace
}  // namespace lookback::testing
