// dcmha: what holds of its parameters, its options and its cache, beside what holds of every
// attention mechanism.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/grad_mode.h"
#include "kernels/copy.h"
#include "kernels/fill.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

const Json composed{{"type", "dcmha"}};
const Json with_static{{"type", "dcmha"}, {"static_projection", true}, {"rank", 3}};

// Without what is made of tokens, and what is fixed, heads are those of the plain attention.
TEST(ComposedHeads, WithoutMixingArePlain) {
  for (const int key_heads : {1, 2, 4}) {
    const Json more{{"num_key_value_heads", key_heads}};
    const auto plain = make_variant(with_attention(Json::object(), more));
    const auto heads = make_variant(with_attention(with_static, more));
    const auto source = by_name(*plain);
    for (const auto& [name, tensor] : by_name(*heads)) {
      const auto found = source.find(name);
      if (found != source.end()) {
        kernels::copy_forward(tensor.backend(), {.x = found->second, .y = tensor});
      }
    }
    const auto ids = some_ids(2, 9, 13);
    const auto expected = plain->logits(ids);
    EXPECT_GT(largest_difference(heads->logits(ids), expected), 1e-3) << key_heads;
    for (const auto& [name, tensor] : by_name(*heads)) {
      const bool mixes = name.ends_with("qkw") || name.ends_with("dd") || name.ends_with("proj.w");
      if (mixes) kernels::fill(tensor.backend(), {.y = tensor, .value = 0});
    }
    EXPECT_LT(largest_difference(heads->logits(ids), expected), 1e-13) << key_heads;
  }
}

TEST(ComposedHeads, StartFromDeviationsOfTheirOwn) {
  auto config = with_attention(with_static);
  config.hidden_size = 96;
  config.num_hidden_layers = 1;
  const Llama llama(config, precision_of(DType::f64));
  initialize(llama.parameters(), 0.02, 1);
  const double hidden = 2 * 3 * 4, heads = 4, width = 96;
  const std::map<std::string, double> expected{{"dw1", std::sqrt(2 / (width + hidden))},
                                               {"qkw", 0.02 / (std::sqrt(hidden) * (heads + 3))},
                                               {"dd", 0.005 * std::sqrt(2 / (width + heads))},
                                               {"pre_proj.w", 0.1 / std::sqrt(heads)},
                                               {"post_proj.w", 0.1 / std::sqrt(heads)}};
  const auto all = by_name(llama);
  for (const auto& [name, deviation] : expected) {
    const auto values = to_doubles(all.at("model.layers.0.self_attn.dyn_w_proj." + name));
    double squares = 0;
    for (const auto value : values) squares += value * value;
    const auto count = static_cast<double>(values.size());
    EXPECT_NEAR(std::sqrt(squares / count) / deviation, 1, 4 / std::sqrt(2 * count)) << name;
  }
}

TEST(ComposedHeads, CacheKeysValuesAndTheMixingOfKeys) {
  const NoGrad no_grad;
  const auto numbers_per_token = [](const Json& attention, int key_heads) {
    const auto config = with_attention(attention, {{"num_key_value_heads", key_heads}});
    KeyValueCache cache(1, 4, DType::f64);
    static_cast<void>(make_variant(config)->logits(some_ids(1, 4, 13), {.cache = &cache}));
    return cache.bytes_per_token() / 8 / 2;  // of a layer
  };
  EXPECT_EQ(numbers_per_token(composed, 4), 2u * 4 * 4 + 4 * 2 * 4 + 2 * 4);
  EXPECT_EQ(numbers_per_token(composed, 2), 2u * 2 * 4 + 4 * 2 * 4 + 2 * 4);
  EXPECT_EQ(numbers_per_token(with_static, 1), 2u * 4 + 4 * 3 * 4 + 2 * 4);
}

TEST(ComposedHeads, WhatCannotBeIsNamed) {
  EXPECT_THAT(error_of({{"type", "dcmha"}, {"rank", 0}}),
              HasSubstr("attention_mechanism.rank is 0 (number): must be an integer from 1 to"));
  EXPECT_THAT(error_of({{"type", "dcmha"}, {"static_projection", 1}}),
              HasSubstr("static_projection is 1 (number): must be true or false"));
  EXPECT_THAT(error_of({{"type", "dcmha"}, {"ranks", 2}}), HasSubstr("the nearest is rank"));
  EXPECT_THAT(error_of(composed, {{"score_accumulation", {{"scale", "sqrt_dk"}}}}),
              HasSubstr("dcmha has no scores that layers could add up"));
  EXPECT_EQ(error_of({{"type", "dcmha"}, {"rank", nullptr}, {"static_projection", nullptr}}), "");
}

TEST(ComposedHeads, AreWrittenWithoutTheirDefaults) {
  const auto written = [](const Json& attention) {
    const auto object = Json::parse(to_json(with_attention(attention)));
    return object["attention_mechanism"];
  };
  EXPECT_EQ(written(composed), composed);
  EXPECT_EQ(written({{"type", "dcmha"}, {"rank", 2}, {"static_projection", false}}), composed);
  EXPECT_EQ(written(with_static), with_static);
}

}  // namespace
}  // namespace lookback::testing
