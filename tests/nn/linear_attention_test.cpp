// The mechanism `linear`: its options, its cache, its weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json linear_with(const Json& keys = Json::object()) {
  Json object{{"type", "linear"}};
  object.update(keys);
  return object;
}

TEST(LinearAttentionConfig, WhatHasNoMeaningIsRefused) {
  EXPECT_EQ(error_of(linear_with({{"epsilon", 0}, {"clip_qkv", 2}, {"qk_norm", "rms_norm"}})), "");
  EXPECT_EQ(error_of(linear_with({{"position_embedding_type", "none"}, {"pattern", nullptr}})), "");
  for (const Json& refused :
       {Json{{"softmax_scale", 2}}, Json{{"attn_logit_softcapping", 2}},
        Json{{"position_embedding_type", "alibi"}}, Json{{"pattern", {{"sliding_window", 3}}}}}) {
    const auto error = error_of(linear_with(refused));
    EXPECT_THAT(error, HasSubstr("attention_mechanism." + refused.begin().key()));
    EXPECT_THAT(error, HasSubstr("has no meaning for linear attention"));
  }
  EXPECT_THAT(
      error_of(linear_with({{"epsilon", -1}})),
      HasSubstr("attention_mechanism.epsilon is -1 (number): must be a number of at least 0"));
  EXPECT_THAT(error_of(linear_with({{"epsilo", 1}})), HasSubstr("the nearest is epsilon"));
  EXPECT_THAT(error_of(linear_with(), {{"score_accumulation", {{"scale", "sqrt_dk"}}}}),
              HasSubstr("score_accumulation: linear has no scores that layers could add up"));
}

TEST(LinearAttentionConfig, WritesItsEpsilonWhereItIsNotTheDefault) {
  const auto written = [](const Json& keys) {
    return Json::parse(to_json(with_attention(linear_with(keys)))).at("attention_mechanism");
  };
  EXPECT_EQ(written({{"epsilon", 0.5}}), linear_with({{"epsilon", 0.5}}));
  EXPECT_EQ(written({{"epsilon", 1e-6}}), linear_with());
}

// Nothing per token; per sequence G (dk dv + dk) numbers for each layer, and G dk dv for each layer
// that runs again.
TEST(LinearAttentionCache, HoldsStatesAlone) {
  const NoGrad no_grad;
  constexpr std::size_t heads = 4, width = 4, layers = 2, bytes = 8;
  for (const bool again : {false, true}) {
    const Json method1{{"cross_layer_residual",
                        {{"site", "mlp"},
                         {"source", "recomputed"},
                         {"weights", "sum"},
                         {"stream", "add"},
                         {"include_self", true}}}};
    const auto config = with_attention(linear_with(), again ? method1 : Json::object());
    const auto llama = make_variant(config);
    KeyValueCache cache(3, 20, DType::f64);
    for (std::int64_t tokens : {5, 1, 1}) {
      static_cast<void>(llama->logits(some_ids(3, tokens, config.vocab_size), {.cache = &cache}));
      EXPECT_EQ(cache.bytes_per_token(), 0u);
      EXPECT_EQ(cache.bytes_per_sequence(),
                heads * (layers * (width * width + width) + (again ? width * width : 0)) * bytes);
    }
  }
}

// A prompt and pieces that end within chunks and at their ends.
TEST(LinearAttentionCache, GoesOnAcrossChunks) {
  const OneThread one_thread;
  const NoGrad no_grad;
  constexpr std::int64_t length = 140;
  const auto config = with_attention(linear_with(), {{"max_position_embeddings", length}});
  const auto llama = make_variant(config);
  const auto ids = some_ids(1, length, config.vocab_size);
  const auto full = llama->logits(ids);
  KeyValueCache cache(1, length, DType::f64);
  std::int64_t begin = 0;
  for (const std::int64_t end : {63, 64, 65, 129, 140}) {
    const auto logits = llama->logits(slice(ids, 1, begin, end), {.cache = &cache});
    EXPECT_LT(largest_difference(logits, slice(full, 1, begin, end)),
              1e-12 * std::max(1.0, largest_element(full)))
        << end;
    begin = end;
  }
}

// Without positions the weights are shares of the divisor: positive, and with epsilon 0 they add up
// to 1.
TEST(LinearAttentionWeights, AddUpToOneWithoutPositions) {
  const auto config =
      with_attention(linear_with({{"epsilon", 0}, {"position_embedding_type", "none"}}));
  constexpr std::size_t tokens = 7;
  for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
    Trace trace;
    static_cast<void>(make_variant(config)->logits(some_ids(2, tokens, config.vocab_size),
                                                   {.attention = path, .trace = &trace}));
    ASSERT_EQ(trace.attention_weights.size(), 2u);
    const auto weights = trace.attention_weights[1].elements<double>();
    for (std::size_t row = 0; row < weights.size() / tokens; ++row) {
      double sum = 0;
      for (std::size_t key = 0; key < tokens; ++key) {
        const auto weight = weights[row * tokens + key];
        EXPECT_EQ(weight > 0, key <= row % tokens);
        sum += weight;
      }
      EXPECT_NEAR(sum, 1, 1e-14);
    }
  }
}

TEST(LinearAttentionWeights, CannotBeShownBehindACache) {
  const NoGrad no_grad;
  const auto config = with_attention(linear_with());
  const auto llama = make_variant(config);
  KeyValueCache cache(1, 8, DType::f64);
  Trace trace;
  const auto ids = some_ids(1, 3, config.vocab_size);
  static_cast<void>(llama->logits(ids, {.cache = &cache, .trace = &trace}));
  try {
    static_cast<void>(llama->logits(ids, {.cache = &cache, .trace = &trace}));
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be shown"));
  }
}

}  // namespace
}  // namespace lookback::testing
