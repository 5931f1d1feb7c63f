// How the memory of a step grows with the length of its sequences.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "runtime/allocator.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

// The slope of log(peak bytes of forward and backward) over log(T), by least squares.
double exponent(const std::vector<std::string>& presets, AttentionPath path, std::int64_t longest) {
  auto base = small_config();
  base.num_hidden_layers = 3;
  base.num_attention_heads = 2;
  base.num_key_value_heads = 1;
  base.head_dim = 4;
  base.max_position_embeddings = 2048;
  auto config = base;
  for (const auto& preset : presets) config = preset_variant(config, preset).config;
  const auto llama = make_llama(config, DType::f32);
  double n = 0, x_sum = 0, y_sum = 0, xx_sum = 0, xy_sum = 0;
  for (std::int64_t tokens = 256; tokens <= longest; tokens *= 2) {
    const auto ids = some_ids(1, tokens, config.vocab_size);
    const auto before = memory_stats().live_bytes;
    reset_peak_bytes();
    backward(mean_loss(llama->loss(ids, next_token_targets(ids), {}, {.attention = path})));
    const auto peak = static_cast<double>(memory_stats().peak_bytes - before);
    clear_gradients(llama->parameters());
    const double x = std::log(static_cast<double>(tokens)), y = std::log(peak);
    n += 1;
    x_sum += x;
    y_sum += y;
    xx_sum += x * x;
    xy_sum += x * y;
  }
  return (n * xy_sum - x_sum * y_sum) / (n * xx_sum - x_sum * x_sum);
}

TEST(VariantMemory, GrowsLinearlyWithTheLengthUnlessWeightsAreKept) {
  const OneThread one_thread;
  for (const auto* preset : {"llama", "method1", "method2", "method3.2", "method5.1"}) {
    const auto streaming = exponent({preset}, AttentionPath::streaming, 2048);
    EXPECT_LE(streaming, 1.15) << preset;
    EXPECT_GE(streaming, 0.8) << preset;
  }
  const auto of_latents = exponent({"mla", "method1"}, AttentionPath::streaming, 2048);
  EXPECT_LE(of_latents, 1.15);
  EXPECT_GE(of_latents, 0.8);
  for (const auto* preset : {"method1", "method5.1"}) {
    EXPECT_GE(exponent({preset}, AttentionPath::explicit_weights, 1024), 1.6) << preset;
  }
}

}  // namespace
}  // namespace lookback::testing
