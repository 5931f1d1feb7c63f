// What `inspect` measures of attention that is not the plain Llama's.
#include <gtest/gtest.h>

#include <algorithm>

#include "apps/inspect/inspection.h"
#include "apps/inspect/numbers.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

const std::vector<std::int64_t> tokens{3, 1, 4, 1, 5, 9, 2, 6, 5};

LlamaConfig three_layers() {
  auto config = small_config();
  config.num_hidden_layers = 3;
  return config;
}

Inspection look(const Llama& llama) { return inspect(llama, tokens, {}, {.learning_rate = 1e-3}); }

double at(const Tensor& maps, std::int64_t head, std::int64_t t, std::int64_t s) {
  const auto side = maps.size(1);
  return to_vector(maps)[static_cast<std::size_t>((head * side + t) * side + s)];
}

// By hand: with a window of 3, query t sees min(t + 1, 3) keys.
TEST(InspectMechanism, APatternIsMeasuredByWhatItShows) {
  const auto config =
      with_attention({{"pattern", {{"sliding_window", 3}}}}, {{"num_hidden_layers", 3}});
  const auto seen = look(*make_variant(config));
  ASSERT_EQ(seen.patterns.size(), 3U);
  for (const auto& [layer, use] : seen.patterns) {
    EXPECT_EQ(use.described, "sliding_window 3");
    EXPECT_NEAR(use.keys_seen, (1 + 2 + 7 * 3) / 9.0, 1e-12);
    EXPECT_NEAR(use.all_keys, 5, 1e-12);
    EXPECT_EQ(use.largest_hidden, 0);
  }
  // Weights of a run without the window are found out.
  const auto whole = look(*make_variant(three_layers())).attention;
  for (const auto& [layer, use] : measure_patterns(config, whole)) {
    double largest = 0;
    const auto& map = whole[static_cast<std::size_t>(layer)];
    for (std::int64_t head = 0; head < map.size(0); ++head) {
      for (std::int64_t t = 3; t < 9; ++t) {
        for (std::int64_t s = 0; s <= t - 3; ++s) largest = std::max(largest, at(map, head, t, s));
      }
    }
    EXPECT_GT(largest, 0);
    EXPECT_EQ(use.largest_hidden, largest);
  }
}

// Without what mixes heads, composed weights are the plain ones; with it they are not.
TEST(InspectMechanism, PlainWeightsAreThoseOfTheHeadAlone) {
  const auto llama = make_variant(preset_variant(three_layers(), "dcmha").config);
  const auto composed = look(*llama);
  ASSERT_EQ(composed.plain_attention.size(), 3U);
  EXPECT_GT(testing::largest_difference(composed.plain_attention.at(0), composed.attention[0]),
            1e-3);
  for (const auto& parameter : llama->parameters()) {
    if (parameter.name.find("dyn_w_proj") == std::string::npos) continue;
    auto* numbers = parameter.tensor.data<double>();
    std::fill(numbers, numbers + parameter.tensor.numel(), 0.0);
  }
  const auto alone = look(*llama);
  for (const auto& [layer, plain] : alone.plain_attention) {
    const auto& run = alone.attention[static_cast<std::size_t>(layer)];
    EXPECT_LT(testing::largest_difference(plain, run), 1e-12);
  }
  EXPECT_TRUE(look(*make_variant(three_layers())).plain_attention.empty());
}

TEST(InspectMechanism, GatesAndCachesAreThoseOfTheMechanism) {
  const auto moh = look(*make_variant(preset_variant(three_layers(), "moh").config));
  ASSERT_EQ(moh.gates.size(), 3U);
  EXPECT_EQ(moh.gates.at(1).shape(),
            (Shape{static_cast<std::int64_t>(tokens.size()), three_layers().num_attention_heads}));
  const auto config = three_layers();
  const auto plain =
      static_cast<std::size_t>(2 * 3 * config.num_key_value_heads * config.head_dim) *
      sizeof(double);
  EXPECT_EQ(moh.cache.per_token, plain);
  EXPECT_EQ(moh.cache.plain_per_token, plain);
  const auto linear = look(*make_variant(preset_variant(three_layers(), "linear").config)).cache;
  EXPECT_EQ(linear.per_token, 0U);
  EXPECT_EQ(linear.per_sequence,
            sizeof(double) * static_cast<std::size_t>(3 * config.num_key_value_heads *
                                                      config.head_dim * (config.head_dim + 1)));
}

}  // namespace
}  // namespace lookback::testing
