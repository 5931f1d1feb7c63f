// Every attention mechanism and pattern, by the presets that name one, alone and under the methods
// by which layers look back: gradients, proofs, decoding, config.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "autograd/grad_mode.h"
#include "autograd/gradcheck.h"
#include "autograd/ops/slice.h"
#include "nn/layer/attention_options.h"
#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "nn/proof/causal_proof.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

std::vector<std::string> attention_presets() {
  std::vector<std::string> names;
  for (const auto& [name, preset] : presets()) {
    if (!preset_variant(small_config(), name).config.attention.empty()) names.push_back(name);
  }
  return names;
}

// An attention preset under each of these methods. Patterns are made smaller, so that small
// sequences show them.
std::vector<Variant> under_methods(LlamaConfig base, const std::string& preset) {
  std::vector<Variant> all;
  for (const auto* method : {"llama", "method1", "method2", "method3.2", "stored3", "method5.4"}) {
    auto variant = preset_variant(base, preset);
    const auto keys = preset_variant(base, method).config;
    const bool has_scores =
        attention_of(variant.config, 0)->score_width(variant.config).has_value();
    if (!keys.score_scale.empty() && !has_scores) continue;  // refused
    variant.config.cross_layer_residual = keys.cross_layer_residual;
    variant.config.score_scale = keys.score_scale;
    auto object = Json::parse(to_json_in_own_keys(variant.config));
    auto& mechanism = object["attention_mechanism"];
    if (mechanism.contains("pattern")) {
      auto& pattern = mechanism["pattern"];
      pattern["sliding_window"] = 3;
      if (pattern.contains("global_tokens")) pattern["global_tokens"] = 1;
      if (pattern.contains("block_size")) pattern["block_size"] = 2;
    }
    all.push_back({preset + " " + method, parse_llama_config(object.dump(), preset)});
  }
  return all;
}

class EveryAttention : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryAttention, PassesTheGradientCheck) {
  const OneThread one_thread;
  auto base = small_config();
  base.vocab_size = 3;
  base.hidden_size = base.intermediate_size = 4;
  base.num_attention_heads = base.num_key_value_heads = 2;
  base.rms_norm_eps = 1e-2;
  for (const bool biased : {false, true}) {
    base.attention_bias = biased;
    for (const auto& [name, config] : under_methods(base, GetParam())) {
      const auto llama = make_variant(config);
      const auto ids = some_ids(1, 5, config.vocab_size);
      std::vector<Tensor> parameters;
      for (const auto& parameter : llama->parameters()) parameters.push_back(parameter.tensor);
      const auto loss = [&](const Inputs&) {
        const auto parts = llama->loss(ids, next_token_targets(ids));
        return with_auxiliary(parts.loss_sum, parts);
      };
      const auto result = gradcheck(loss, parameters);
      EXPECT_TRUE(result.passed) << name << ": " << result.message;
    }
  }
}

TEST_P(EveryAttention, IsProvedCausal) {
  auto base = small_config();
  base.num_hidden_layers = 3;
  base.max_position_embeddings = 80;
  for (const auto& [name, config] : under_methods(base, GetParam())) {
    const auto proof = prove_causal(config, {5, 33, 70});
    EXPECT_TRUE(proof.proved()) << name << ": " << proof.leaking_path << " "
                                << (proof.leak ? describe(*proof.leak) : proof.not_followed);
  }
}

// A prompt of four tokens, another piece of two, then token by token.
TEST_P(EveryAttention, DecodesAsTheFullForwardComputes) {
  const OneThread one_thread;
  const NoGrad no_grad;
  constexpr std::int64_t length = 10;
  auto base = small_config();
  base.num_hidden_layers = 3;
  for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
    for (const auto& [name, config] : under_methods(base, GetParam())) {
      const auto llama = make_variant(config);
      const auto ids = some_ids(2, length, config.vocab_size);
      const auto full = llama->logits(ids, {.attention = path});
      KeyValueCache cache(2, length, DType::f64);
      for (std::int64_t begin = 0, end = 4; begin < length;
           begin = end, end += begin == 4 ? 2 : 1) {
        const auto logits =
            llama->logits(slice(ids, 1, begin, end), {.attention = path, .cache = &cache});
        EXPECT_LT(largest_difference(logits, slice(full, 1, begin, end)),
                  1e-12 * std::max(1.0, largest_element(full)))
            << name << " " << begin;
      }
      EXPECT_GT(cache.bytes_per_token() + cache.bytes_per_sequence(), 0u);
    }
  }
}

TEST_P(EveryAttention, GivesTheSameOnBothPathsAndWithActivationsRunAgain) {
  const OneThread one_thread;
  auto base = small_config();
  base.num_hidden_layers = 3;
  for (const auto& [name, config] : under_methods(base, GetParam())) {
    const auto llama = make_variant(config);
    const auto ids = some_ids(2, 9, config.vocab_size);
    const auto streaming = llama->logits(ids);
    const auto kept = llama->logits(ids, {.attention = AttentionPath::explicit_weights});
    const auto again = llama->logits(ids, {.activations = Activations::recomputed});
    EXPECT_LT(largest_difference(streaming, kept), 1e-12 * largest_element(kept)) << name;
    EXPECT_EQ(largest_difference(streaming, again), 0) << name;
  }
}

// A shorter sequence gives the first rows.
TEST_P(EveryAttention, DoesNotDependOnWhatComesAfter) {
  const OneThread one_thread;
  for (const auto& [name, config] : under_methods(small_config(), GetParam())) {
    const auto llama = make_variant(config);
    const auto ids = some_ids(1, 12, config.vocab_size);
    const auto all = llama->logits(ids);
    const auto some = llama->logits(slice(ids, 1, 0, 7));
    EXPECT_LT(largest_difference(slice(all, 1, 0, 7), some), 1e-12 * largest_element(all)) << name;
  }
}

TEST_P(EveryAttention, IsWrittenAsItWasRead) {
  const auto config = preset_variant(small_config(), GetParam()).config;
  const auto text = to_json(config);
  EXPECT_TRUE(parse_llama_config(text, "c.json").attention == config.attention);
  EXPECT_EQ(to_json(parse_llama_config(text, "c.json")), text);
  const auto own = to_json_in_own_keys(config);
  EXPECT_TRUE(parse_llama_config(own, "c.json").attention == config.attention);
  EXPECT_EQ(Json::parse(own)["model_type"], "lookback");
}

std::string test_name(const ::testing::TestParamInfo<std::string>& preset) {
  auto name = preset.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, EveryAttention, ::testing::ValuesIn(attention_presets()), test_name);

const Json small_mla{{"type", "mla"},
                     {"kv_lora_rank", 3},
                     {"qk_nope_head_dim", 2},
                     {"qk_rope_head_dim", 4},
                     {"v_head_dim", 3}};
Json mla_with(const Json& keys) {
  auto object = small_mla;
  object.update(keys);
  return object;
}

TEST(AttentionConfig, NothingNamedIsThePlainAttention) {
  EXPECT_TRUE(with_attention({{"type", "causal"}}).attention.empty());
  EXPECT_TRUE(with_attention(Json::object()).attention.empty());
  EXPECT_TRUE(with_attention({{"pattern", nullptr}, {"softmax_scale", nullptr}}).attention.empty());
  const auto per_layer = with_attention(Json::array({Json::object(), small_mla}));
  ASSERT_EQ(per_layer.attention.size(), 2u);
  EXPECT_EQ(attention_of(per_layer, 0)->type(), "causal");
  EXPECT_EQ(attention_of(per_layer, 1)->type(), "mla");
  EXPECT_TRUE(parse_llama_config(to_json(per_layer), "c.json").attention == per_layer.attention);
}

// Whole heads are turned by their positions only where a mechanism does so.
TEST(AttentionConfig, AnOddHeadSizeIsRefusedWhereItIsTurned) {
  const Json odd{{"head_dim", 5}};
  const std::string message =
      "[config] c.json: the head size is 5: must be even, for rotary positions turn pairs "
      "(head_dim, or hidden_size / num_attention_heads)";
  EXPECT_EQ(error_of(Json::object(), odd), message);
  EXPECT_EQ(error_of(Json::array({small_mla, Json::object()}), odd), message);
  EXPECT_EQ(error_of(Json{{"type", "mohsa"}, {"overlap_dim", 1}}, odd), message);
  EXPECT_EQ(error_of(small_mla, odd), "");
  EXPECT_EQ(error_of({{"position_embedding_type", "none"}}, odd), "");
  EXPECT_EQ(error_of({{"position_embedding_type", "alibi"}}, odd), "");
}

// What only repeats a default is neither kept nor written.
TEST(AttentionConfig, DefaultsSayNothing) {
  const Json repeated{{"softmax_scale", 0.5},
                      {"attention_out_bias", false},
                      {"position_embedding_type", "rope"},
                      {"alibi_bias_max", 16}};
  EXPECT_TRUE(with_attention(repeated).attention.empty());
  EXPECT_EQ(Json::parse(to_json(with_attention(repeated)))["model_type"], "llama");
  EXPECT_FALSE(with_attention(repeated, {{"attention_bias", true}}).attention.empty());
  EXPECT_EQ(error_of(repeated, {{"score_accumulation", {{"scale", "sqrt_dk"}}}}), "");
}

TEST(AttentionConfig, WhatCannotBeIsNamed) {
  const std::string at = "[config] c.json: ";
  EXPECT_EQ(error_of({{"type", "mal"}}),
            at + "attention_mechanism.type is \"mal\" (string): no such "
                 "mechanism: the nearest is mla");
  EXPECT_EQ(error_of({{"softmax_scal", 1}}),
            at + "unknown key attention_mechanism.\"softmax_scal\": the nearest is softmax_scale");
  EXPECT_EQ(error_of({{"pattern", {{"sliding_windows", 1}}}}),
            at + "unknown key attention_mechanism.pattern.\"sliding_windows\": the nearest is "
                 "sliding_window");
  EXPECT_THAT(error_of({{"pattern", {{"sliding_window", 0}}}}),
              HasSubstr("attention_mechanism.pattern.sliding_window is 0 (number): must be an "
                        "integer from 1"));
  EXPECT_THAT(error_of({{"pattern", 3}}), HasSubstr("pattern is 3 (number): must be an object"));
  EXPECT_THAT(error_of({{"softmax_scale", 0}}), HasSubstr("must be a number above 0"));
  EXPECT_THAT(error_of("mla"), HasSubstr("attention_mechanism must be an object, or a list of 2"));
  EXPECT_THAT(error_of(Json::array({small_mla})), HasSubstr("or a list of 2, one per layer"));
  EXPECT_THAT(error_of(Json::array({small_mla, 3})),
              HasSubstr("attention_mechanism[1] is 3 (number): must be an object"));
  auto without_rank = small_mla;
  without_rank.erase("kv_lora_rank");
  EXPECT_EQ(error_of(without_rank), at + "attention_mechanism has no kv_lora_rank");
  EXPECT_THAT(error_of(mla_with({{"qk_rope_head_dim", 3}})), HasSubstr("must be even"));
  EXPECT_EQ(error_of(mla_with({{"clip_qkv", 1}})),
            at + "attention_mechanism.clip_qkv is 1 (number): has no meaning for mla attention");
  EXPECT_THAT(error_of(mla_with({{"position_embedding_type", "none"}})), HasSubstr("no meaning"));
  EXPECT_THAT(error_of(mla_with({{"qk_norm", "rms_norm"}})), HasSubstr("no meaning"));
  EXPECT_EQ(error_of(mla_with({{"position_embedding_type", "rope"}, {"qk_norm", nullptr}})), "");
  EXPECT_THAT(error_of({{"position_embedding_type", "learned"}}),
              HasSubstr("must be one of rope, alibi, none"));
  EXPECT_THAT(error_of({{"qk_norm", "l2"}}),
              HasSubstr("must be one of layer_norm, rms_norm, rms_norm_per_head"));
  EXPECT_THAT(error_of({{"attn_logit_softcapping", -1}}), HasSubstr("must be a number above 0"));
  EXPECT_THAT(error_of({{"type", "mohsa"}}), HasSubstr("attention_mechanism has no overlap_dim"));
  EXPECT_THAT(error_of({{"type", "mohsa"}, {"overlap_dim", 5}}),
              HasSubstr("overlap_dim is 5 (number): must be at most the head size, 4"));
  EXPECT_THAT(error_of({{"type", "mohsa"}, {"overlap_dim", -1}}),
              HasSubstr("must be an integer from 0 to"));
  EXPECT_THAT(error_of({{"type", "collaborative"}, {"key_query_dim", 6}}),
              HasSubstr("must be a multiple of the head size, 4, for rotary positions"));
  EXPECT_THAT(
      error_of({{"type", "collaborative"}, {"key_query_dim", 8}, {"qk_norm", "rms_norm_per_head"}}),
      HasSubstr("has no meaning for collaborative attention"));
  EXPECT_EQ(
      error_of(
          {{"type", "collaborative"}, {"key_query_dim", 6}, {"position_embedding_type", "none"}}),
      "");
  EXPECT_THAT(error_of(small_mla, {{"num_key_value_heads", 2}}),
              HasSubstr("num_key_value_heads must be num_attention_heads, 4"));
  const Json accumulated{{"score_accumulation", {{"scale", "sqrt_dk"}}}};
  EXPECT_THAT(error_of({{"softmax_scale", 2}}, accumulated), HasSubstr("softmax_scale"));
  EXPECT_THAT(error_of(Json::array({Json::object(), small_mla}), accumulated),
              HasSubstr("of one type and width: causal and mla differ"));
  EXPECT_EQ(error_of(small_mla, accumulated), "");
}

Tensor logits_of(const LlamaConfig& config) {
  return make_variant(config)->logits(some_ids(2, 9, config.vocab_size));
}

TEST(AttentionPattern, AWindowOfTheWholeSequenceIsNone) {
  const auto full = logits_of(with_attention(Json::object()));
  const auto window = [](std::int64_t keys) {
    return logits_of(with_attention({{"pattern", {{"sliding_window", keys}}}}));
  };
  EXPECT_EQ(largest_difference(window(9), full), 0);
  EXPECT_GT(largest_difference(window(8), full), 0);
}

TEST(AttentionPattern, AWindowOfOneSeesTheTokenAlone) {
  for (const auto& pattern : {Json{{"sliding_window", 1}}, Json::object()}) {
    const auto config = with_attention({{"pattern", pattern}});
    Trace trace;
    static_cast<void>(
        make_variant(config)->logits(some_ids(1, 5, config.vocab_size), {.trace = &trace}));
    ASSERT_EQ(trace.attention_weights.size(), 2u);
    const auto weights = trace.attention_weights[1].elements<double>();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_EQ(weights[i], i % 25 % 6 == 0 ? 1.0 : 0.0) << i;
    }
  }
}

// The layout of the rotary rows alone: weights whose rows are put into the other order give the
// same.
TEST(LatentAttention, InterleavedPairsAreRowsInAnotherOrder) {
  const auto pairs = make_variant(with_attention(small_mla));
  const auto halves = make_variant(with_attention(mla_with({{"rope_interleave", false}})));
  constexpr std::int64_t heads = 4, nope = 2, rope = 4, rank = 3;
  const auto move_rows = [](const Tensor& from, const Tensor& to, std::int64_t first) {
    const auto columns = from.size(1);
    const auto source = from.elements<double>();
    const auto target = to.elements<double>();
    for (std::int64_t row = 0; row < rope; ++row) {
      const auto pair = row % (rope / 2), half = row / (rope / 2);
      for (std::int64_t column = 0; column < columns; ++column) {
        target[static_cast<std::size_t>((first + row) * columns + column)] =
            source[static_cast<std::size_t>((first + 2 * pair + half) * columns + column)];
      }
    }
  };
  const auto from = by_name(*pairs), to = by_name(*halves);
  for (const auto* layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    const auto queries = std::string(layer) + "q_proj.weight";
    const auto keys = std::string(layer) + "kv_a_proj_with_mqa.weight";
    for (std::int64_t head = 0; head < heads; ++head) {
      move_rows(from.at(queries), to.at(queries), head * (nope + rope) + nope);
    }
    move_rows(from.at(keys), to.at(keys), rank);
  }
  const auto ids = some_ids(2, 9, 13);
  EXPECT_LT(largest_difference(pairs->logits(ids), halves->logits(ids)), 1e-13);
}

// dc + dr numbers per token and layer; dc more for each pair of layers run again.
TEST(LatentAttention, CachesTheLatents) {
  const NoGrad no_grad;
  for (const bool again : {false, true}) {
    auto config = with_attention(small_mla);
    if (again) config.cross_layer_residual = CrossLayerResidual{.source = "recomputed"};
    KeyValueCache cache(1, 4, DType::f64);
    static_cast<void>(make_variant(config)->logits(some_ids(1, 4, 13), {.cache = &cache}));
    EXPECT_EQ(cache.bytes_per_token(), static_cast<std::size_t>(2 * (3 + 4) + (again ? 3 : 0)) * 8);
  }
}

// mohsa keeps keys as they are compared, and values before they are widened.
TEST(AttentionCache, HoldsWhatTheMechanismNeedsOfATokenAndNoMore) {
  const NoGrad no_grad;
  const auto numbers_per_token = [](const Json& attention, const Json& more = Json::object()) {
    const auto config = with_attention(attention, more);
    KeyValueCache cache(1, 4, DType::f64);
    static_cast<void>(make_variant(config)->logits(some_ids(1, 4, 13), {.cache = &cache}));
    return cache.bytes_per_token() / 8 / 2;  // of a layer
  };
  EXPECT_EQ(numbers_per_token(Json::object()), 4u * 4 * 2);
  EXPECT_EQ(numbers_per_token({{"type", "mohsa"}, {"overlap_dim", 1}}), 4u * 6 + 4 * 4);
  const Json shared{{"type", "collaborative"}, {"key_query_dim", 8}};
  EXPECT_EQ(numbers_per_token(shared), 8u + 4 * 4);
  EXPECT_EQ(numbers_per_token(shared, {{"attention_bias", true}}), 8u + 4 * 4 + 4);
}

TEST(AttentionSteps, LeadFromThePlainAttentionOneOptionAtATime) {
  const auto steps = attention_steps(
      with_attention(mla_with({{"softmax_scale", 2}, {"pattern", {{"sliding_window", 3}}}})));
  std::vector<std::string> axes;
  for (const auto& step : steps) axes.push_back(step.axis);
  EXPECT_THAT(axes, ::testing::ElementsAre("attention: mla", "attention: softmax_scale 2.0",
                                           "pattern: sliding_window 3"));
  EXPECT_TRUE(attention_steps(with_attention(Json::object())).empty());
  axes.clear();
  for (const auto& step : attention_steps(with_attention({{"qk_norm", "rms_norm"},
                                                          {"clip_qkv", 2},
                                                          {"attn_logit_softcapping", 3},
                                                          {"alibi_bias_max", 4},
                                                          {"position_embedding_type", "alibi"}}))) {
    axes.push_back(step.axis);
  }
  EXPECT_THAT(axes,
              ::testing::ElementsAre("attention: attn_logit_softcapping 3.0",
                                     "attention: position_embedding_type \"alibi\"",
                                     "attention: alibi_bias_max 4.0", "attention: clip_qkv 2.0",
                                     "attention: qk_norm \"rms_norm\""));
}

TEST(AttentionSteps, SwitchOnOptionsOfATypesOwnOneByOne) {
  const auto axes_of = [](const Json& attention) {
    std::vector<std::string> axes;
    for (const auto& step : attention_steps(with_attention(attention))) axes.push_back(step.axis);
    return axes;
  };
  EXPECT_THAT(
      axes_of({{"type", "moh"},
               {"num_shared_heads", 1},
               {"num_selected_heads", 2},
               {"router", "query_norm"},
               {"router_z_loss_coef", 0.5},
               {"clip_qkv", 2}}),
      ::testing::ElementsAre("attention: moh", "attention: router \"query_norm\"",
                             "attention: router_z_loss_coef 0.5", "attention: clip_qkv 2.0"));
  EXPECT_THAT(axes_of({{"type", "dcmha"}, {"rank", 1}, {"static_projection", true}}),
              ::testing::ElementsAre("attention: dcmha", "attention: rank 1",
                                     "attention: static_projection true"));
}

}  // namespace
}  // namespace lookback::testing
