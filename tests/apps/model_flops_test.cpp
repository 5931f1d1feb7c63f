// What `bench train` counts of a model, against the formulas written out.
#include "apps/bench/model_flops.h"

#include <gtest/gtest.h>

#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;

// Six for each parameter of a product, and 6 L T H dk.
TEST(ModelFlops, OfThePlainLlama) {
  auto config = small_config();
  for (const bool tied : {true, false}) {
    config.tie_word_embeddings = tied;
    const auto llama = make_llama(config);
    // q, k, v, o; gate, up, down; the projection to the vocabulary
    const double layer = 8 * (8 + 4 + 4 + 8) + 3 * 8 * 12;
    EXPECT_EQ(model_flops_per_token(*llama, 30), 6 * (2 * layer + 8 * 13 + 2 * 8 * 30)) << tied;
  }
}

// Biases, norms and learned layer weights are no products.
TEST(ModelFlops, OfLayersThatRunAgainAreThoseOfThePlainLlama) {
  const auto plain = make_llama(small_config());
  for (const auto* preset : {"method1", "method2", "method5.4"}) {
    const auto llama = make_variant(preset_variant(small_config(), preset).config);
    EXPECT_EQ(model_flops_per_token(*llama, 30), model_flops_per_token(*plain, 30)) << preset;
  }
}

TEST(ModelFlops, KeysThatAPatternShows) {
  const auto keys = [](const Json& pattern, std::int64_t tokens) {
    return mean_keys_seen(with_attention({{"pattern", pattern}}), 0, tokens);
  };
  EXPECT_EQ(mean_keys_seen(small_config(), 0, 30), 15);
  EXPECT_EQ(keys({{"sliding_window", 4}}, 4), 2.5);
  EXPECT_EQ(keys({{"sliding_window", 4}}, 8), (1 + 2 + 3 + 5 * 4) / 8.0);
  EXPECT_EQ(keys({{"sliding_window", 2}, {"dilation", 3}}, 8), (3 * 1 + 5 * 2) / 8.0);
  EXPECT_EQ(keys({{"sliding_window", 2}, {"dilation", Json{1, 3, 1, 3}}}, 8),
            ((1 + 7 * 2) + (3 * 1 + 5 * 2)) / 16.0);
  // Token 0, seen by all, and token 5, which sees all and is seen by all behind it.
  EXPECT_EQ(keys({{"sliding_window", 1}, {"global_tokens", Json{0, 5}}}, 8),
            (1 + 2 * 4 + 6 + 2 * 3) / 8.0);
  // Blocks of 2: rows of block 0 have none to draw, of block 1 one, of the others one of several.
  EXPECT_EQ(keys({{"num_random_blocks", 1}, {"block_size", 2}}, 8), (1 + 1 + 6 * 3) / 8.0);
}

// The attention of every layer is its own.
TEST(ModelFlops, OfMechanisms) {
  const Json linear{{"type", "linear"}}, windowed{{"pattern", {{"sliding_window", 1}}}};
  const auto llama = make_variant(with_attention(Json{linear, windowed}));
  const double projections = 8 * 4 * 16, rest = 3 * 8 * 12;
  const double state = 2 * 4 * 4 * 4, one_key = 2 * 4 * 4;
  EXPECT_EQ(model_flops_per_token(*llama, 30),
            6 * (2 * projections + 2 * rest + 8 * 13 + state + one_key));
}

}  // namespace
}  // namespace lookback::testing
