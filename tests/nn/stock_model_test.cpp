// Models of transformers by their model_type: what is read of their keys, what is refused, and what
// is written as theirs.
#include "nn/llama/stock_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/llama/config_file.h"
#include "runtime/check.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// The shape of a small model, of no type.
Json small(const std::string& model_type, const Json& more = Json::object()) {
  Json object{{"model_type", model_type}, {"vocab_size", 13},
              {"hidden_size", 16},        {"intermediate_size", 12},
              {"num_hidden_layers", 3},   {"num_attention_heads", 4},
              {"num_key_value_heads", 2}, {"max_position_embeddings", 64}};
  object.update(more);
  return object;
}

const Json latent_sizes{{"num_key_value_heads", 4}, {"q_lora_rank", nullptr}, {"kv_lora_rank", 3},
                        {"qk_nope_head_dim", 6},    {"qk_rope_head_dim", 4},  {"v_head_dim", 5}};

Json latent(const std::string& model_type, const Json& more = Json::object()) {
  auto object = small(model_type, latent_sizes);
  object.update(more);
  return object;
}

LlamaConfig parse(const Json& object) { return parse_llama_config(object.dump(), "c.json"); }

std::string error_of(const Json& object) {
  try {
    static_cast<void>(parse(object));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The same in our own keys.
void expect_means(const Json& stock, const Json& changed) {
  auto own = Json::parse(to_json_in_own_keys(parse(stock)));
  auto expected = stock;
  expected["model_type"] = "lookback";
  for (const auto& [key, value] : changed.items()) {
    if (value.is_null()) {
      expected.erase(key);
    } else {
      expected[key] = value;
    }
  }
  auto ours = parse(expected);
  auto theirs = parse(own);
  ours.carried = theirs.carried = {};
  EXPECT_EQ(theirs, ours) << own.dump() << "\n" << expected.dump();
}

Json window(int size) { return {{"pattern", {{"sliding_window", size}}}}; }

// transformers' classes of 4.57.6, without arguments.
TEST(StockModel, MissingKeysHaveTheDefaultsOfTheClass) {
  const auto with_defaults_of = [](const std::string& type) {
    return parse(Json{{"model_type", type}, {"first_k_dense_replace", 99}});
  };
  auto mistral = parse(Json{{"model_type", "mistral"}});
  EXPECT_EQ(mistral.num_key_value_heads, 8);
  EXPECT_EQ(mistral.head_dim, 128);
  EXPECT_EQ(mistral.intermediate_size, 14336);
  EXPECT_EQ(mistral.max_position_embeddings, 131072);
  EXPECT_EQ(attention_of(mistral, 31)->to_json()["pattern"]["sliding_window"], 4096);
  for (const auto* type : {"qwen2", "qwen3"}) {
    const auto qwen = parse(Json{{"model_type", type}});
    EXPECT_EQ(qwen.vocab_size, 151936);
    EXPECT_EQ(qwen.hidden_size, 4096);
    EXPECT_EQ(qwen.intermediate_size, 22016);
    EXPECT_EQ(qwen.num_key_value_heads, 32);
    EXPECT_EQ(qwen.max_position_embeddings, 32768);
    EXPECT_EQ(qwen.head_dim, 128);
  }
  EXPECT_EQ(parse(Json{{"model_type", "qwen2"}, {"hidden_size", 2048}}).head_dim, 64);
  EXPECT_EQ(parse(Json{{"model_type", "qwen3"}, {"hidden_size", 2048}}).head_dim, 128);
  const auto v2 = with_defaults_of("deepseek_v2");
  EXPECT_EQ(v2.num_key_value_heads, 32);
  EXPECT_EQ(v2.vocab_size, 32000);
  const auto v3 = with_defaults_of("deepseek_v3");
  EXPECT_EQ(v3.vocab_size, 129280);
  EXPECT_EQ(v3.hidden_size, 7168);
  EXPECT_EQ(v3.intermediate_size, 18432);
  EXPECT_EQ(v3.num_hidden_layers, 61);
  EXPECT_EQ(v3.num_attention_heads, 128);
  EXPECT_EQ(v3.num_key_value_heads, 128);
  EXPECT_EQ(v3.max_position_embeddings, 4096);
  for (const auto& config : {v2, v3}) {
    EXPECT_EQ(config.rms_norm_eps, 1e-6);
    const auto options = attention_of(config, 0)->to_json();
    EXPECT_EQ(options["q_lora_rank"], 1536);
    EXPECT_EQ(options["kv_lora_rank"], 512);
    EXPECT_EQ(options["qk_nope_head_dim"], 128);
    EXPECT_EQ(options["qk_rope_head_dim"], 64);
    EXPECT_EQ(options["v_head_dim"], 128);
  }
}

TEST(StockModel, NullIsAnAnswerWhereTheClassTakesItForOne) {
  EXPECT_EQ(parse(small("mistral", {{"num_key_value_heads", nullptr}})).num_key_value_heads, 4);
  EXPECT_TRUE(parse(small("mistral", {{"sliding_window", nullptr}})).attention.empty());
  EXPECT_EQ(parse(small("qwen3", {{"head_dim", nullptr}})).head_dim, 4);
  EXPECT_FALSE(attention_of(parse(latent("deepseek_v3")), 0)->to_json().contains("q_lora_rank"));
  // Elsewhere it is none.
  EXPECT_EQ(parse(small("mistral", {{"intermediate_size", nullptr}})).intermediate_size, 14336);
  EXPECT_EQ(attention_of(parse(latent("deepseek_v2", {{"v_head_dim", nullptr}})), 0)
                ->to_json()["v_head_dim"],
            128);
}

TEST(StockModel, MistralLooksThroughItsWindow) {
  expect_means(small("mistral", {{"sliding_window", 7}}),
               {{"sliding_window", nullptr}, {"attention_mechanism", window(7)}});
  expect_means(small("mistral", {{"sliding_window", nullptr}}), {{"sliding_window", nullptr}});
  expect_means(
      small("mistral", {{"sliding_window", 7}, {"attention_mechanism", {{"clip_qkv", 2}}}}),
      {{"sliding_window", nullptr},
       {"attention_mechanism", {{"clip_qkv", 2}, {"pattern", {{"sliding_window", 7}}}}}});
}

TEST(StockModel, Qwen2HasBiasesAndAWindowOnItsLastLayers) {
  const Json biases{{"attention_out_bias", false}};
  auto windowed = biases;
  windowed.update(window(5));
  const Json no_keys{{"use_sliding_window", nullptr}, {"sliding_window", nullptr},
                     {"max_window_layers", nullptr},  {"layer_types", nullptr},
                     {"attention_bias", true},        {"attention_mechanism", biases}};
  auto on = no_keys;
  expect_means(small("qwen2"), no_keys);
  expect_means(small("qwen2", {{"attention_bias", false}, {"sliding_window", 5}}), no_keys);
  on["attention_mechanism"] = Json::array({biases, windowed, windowed});
  expect_means(
      small("qwen2",
            {{"use_sliding_window", true}, {"sliding_window", 5}, {"max_window_layers", 1}}),
      on);
  on["attention_mechanism"] = Json::array({windowed, biases, windowed});
  const Json types{"sliding_attention", "full_attention", "sliding_attention"};
  expect_means(
      small("qwen2", {{"use_sliding_window", true}, {"sliding_window", 5}, {"layer_types", types}}),
      on);
  // 28 layers are left out where nothing is said, and layer_types says nothing without a window.
  expect_means(small("qwen2", {{"use_sliding_window", true}, {"sliding_window", 5}}), no_keys);
  expect_means(small("qwen2", {{"sliding_window", 5}, {"layer_types", types}}), no_keys);
}

TEST(StockModel, Qwen3NormsHeads) {
  const Json norm{{"qk_norm", "rms_norm_per_head"}};
  expect_means(small("qwen3", {{"head_dim", 6}}), {{"attention_mechanism", norm}});
  expect_means(small("qwen3", {{"head_dim", 6}, {"attention_bias", true}}),
               {{"attention_mechanism", norm}});
}

TEST(StockModel, DeepSeekHasTheOptionsOfMlaAtTheTopLevel) {
  Json mechanism{{"type", "mla"},
                 {"kv_lora_rank", 3},
                 {"qk_nope_head_dim", 6},
                 {"qk_rope_head_dim", 4},
                 {"v_head_dim", 5}};
  Json changed{{"q_lora_rank", nullptr},      {"kv_lora_rank", nullptr},
               {"qk_nope_head_dim", nullptr}, {"qk_rope_head_dim", nullptr},
               {"v_head_dim", nullptr},       {"rope_interleave", nullptr},
               {"qk_head_dim", nullptr},      {"head_dim", 4},
               {"n_routed_experts", nullptr}, {"first_k_dense_replace", nullptr},
               {"topk_method", nullptr},      {"attention_mechanism", mechanism}};
  expect_means(latent("deepseek_v2"), changed);
  expect_means(latent("deepseek_v3", {{"head_dim", 4},
                                      {"qk_head_dim", 10},
                                      {"n_routed_experts", 8},
                                      {"first_k_dense_replace", 3},
                                      {"topk_method", "greedy"}}),
               changed);
  changed["attention_mechanism"]["rope_interleave"] = false;
  expect_means(latent("deepseek_v3", {{"rope_interleave", false}}), changed);
}

TEST(StockModel, WhatItCannotBeIsNamed) {
  const std::string at = "[config] c.json: ";
  EXPECT_EQ(error_of(small("olmo2")),
            at +
                "model_type is olmo2: its norms stand behind attention and MLP (post-norms), which "
                "no Llama has");
  for (const auto* type : {"olmo", "gemma2", "mpt", "jetmoe"}) {
    // Also with keys that no Llama has.
    EXPECT_THAT(error_of(small(type, {{"clip_qkv", 8}, {"attn_config", Json::object()}})),
                HasSubstr(std::string("model_type is ") + type + ": its "));
  }
  EXPECT_EQ(error_of(latent("deepseek_v3", {{"n_routed_experts", 8}, {"moe_layer_freq", 1}})), "")
      << "the class takes 3 dense layers for granted";
  EXPECT_EQ(error_of(latent("deepseek_v2", {{"n_routed_experts", 8}})),
            at + "model_type is deepseek_v2: its MLPs are 8 experts each from layer 0 on "
                 "(n_routed_experts, first_k_dense_replace), and a Llama's MLP is one: "
                 "first_k_dense_replace must be at least num_hidden_layers, 3");
  EXPECT_THAT(error_of(latent("deepseek_v3", {{"head_dim", 6}})),
              HasSubstr("head_dim is 6 (number): must be qk_rope_head_dim, 4"));
  EXPECT_THAT(error_of(latent("deepseek_v3", {{"qk_head_dim", 9}})),
              HasSubstr("qk_head_dim is 9 (number): must be qk_nope_head_dim + qk_rope_head_dim, "
                        "10"));
  EXPECT_THAT(error_of(latent("deepseek_v3", {{"num_key_value_heads", 2}})),
              HasSubstr("num_key_value_heads must be num_attention_heads, 4"));
  EXPECT_THAT(error_of(latent("deepseek_v3", {{"qk_rope_head_dim", 3}})),
              HasSubstr("qk_rope_head_dim is 3 (number): must be even"));
  EXPECT_THAT(error_of(latent("deepseek_v2", {{"rope_interleave", false}})),
              HasSubstr("rope_interleave is false (boolean): must be true"));
  EXPECT_THAT(error_of(latent("deepseek_v3", {{"attention_mechanism", window(3)}})),
              HasSubstr("must be absent where model_type is deepseek_v3"));
  EXPECT_THAT(error_of(small("mistral", {{"use_sliding_windw", true}})),
              HasSubstr("unknown key \"use_sliding_windw\" (true (boolean)): no Llama has it"));
  EXPECT_THAT(error_of(small("qwen2", {{"use_sliding_windw", true}})),
              HasSubstr("unknown key \"use_sliding_windw\": the nearest is use_sliding_window"));
  EXPECT_THAT(error_of(small("qwen2", {{"num_local_experts", 8}})),
              HasSubstr("num_local_experts is 8 (number): a mixture of experts"));
  EXPECT_THAT(error_of(small("qwen2", {{"use_mrope", true}})), HasSubstr("must be false"));
  EXPECT_THAT(error_of(small("qwen2", {{"max_window_layers", -1}})),
              HasSubstr("max_window_layers is -1 (number): must be an integer of at least 0"));
  EXPECT_THAT(error_of(small("mistral", {{"sliding_window", 0}})),
              HasSubstr("sliding_window is 0 (number): must be an integer from 1"));
  EXPECT_THAT(error_of(small("mistral", {{"attention_mechanism", {{"type", "mla"}}}})),
              HasSubstr("attention_mechanism.type is \"mla\" (string): must be causal where "
                        "model_type is mistral"));
  EXPECT_THAT(error_of(small("mistral", {{"attention_mechanism", Json::array({window(3)})}})),
              HasSubstr("must be one object where model_type is mistral"));
}

TEST(StockModel, LayerTypesSwitchPatternsOff) {
  const Json types{"full_attention", "sliding_attention", "full_attention"};
  const auto with_types = [&](const Json& mechanism, const Json& words) {
    return small("lookback", {{"attention_mechanism", mechanism}, {"layer_types", words}});
  };
  const Json full = Json::object();
  expect_means(
      with_types(window(3), types),
      {{"layer_types", nullptr}, {"attention_mechanism", Json::array({full, window(3), full})}});
  expect_means(with_types(Json::array({window(2), window(3), {{"clip_qkv", 1}}}), types),
               {{"layer_types", nullptr},
                {"attention_mechanism", Json::array({full, window(3), {{"clip_qkv", 1}}})}});
  const auto config = parse(with_types(window(3), types));
  const auto text = to_json(config);
  EXPECT_TRUE(parse_llama_config(text, "again").attention == config.attention);
  EXPECT_EQ(to_json(parse_llama_config(text, "again")), text);

  EXPECT_EQ(error_of(with_types(window(3), {"full_attention", "sliding_atention", "full"})),
            "[config] c.json: layer_types[1] is \"sliding_atention\" (string): must be "
            "full_attention or sliding_attention; the nearest is sliding_attention");
  EXPECT_THAT(error_of(small("llama", {{"layer_types", {"full_attention"}}})),
              HasSubstr("must be a list of 3 words, one per layer"));
  EXPECT_THAT(error_of(small("qwen2", {{"layer_types", {1, 2, 3}}})),
              HasSubstr("layer_types[0] is 1 (number): must be full_attention or"));
}

// A stock config is written as it is, in the keys of its class, and read back.
TEST(StockModel, IsWrittenAsItsClass) {
  const Json types{"sliding_attention", "full_attention", "sliding_attention"};
  const std::vector<Json> configs{
      small("mistral", {{"sliding_window", 7}}),
      small("mistral", {{"sliding_window", nullptr}}),
      small("qwen2"),
      small("qwen2",
            {{"use_sliding_window", true}, {"sliding_window", 5}, {"max_window_layers", 1}}),
      small("qwen3", {{"head_dim", 6}}),
      small("qwen3", {{"attention_bias", true},
                      {"use_sliding_window", true},
                      {"sliding_window", 5},
                      {"layer_types", types}}),
      latent("deepseek_v2",
             {{"mlp_bias", true}, {"n_routed_experts", 8}, {"first_k_dense_replace", 3}}),
      latent("deepseek_v3", {{"rope_interleave", false}}),
      latent("deepseek_v3",
             {{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}, {"mscale_all_dim", 0.5}}}})};
  for (const auto& object : configs) {
    const auto config = parse(object);
    const auto written = Json::parse(to_json(config));
    EXPECT_EQ(written["model_type"], object["model_type"]) << object.dump();
    EXPECT_FALSE(written.contains("attention_mechanism")) << written.dump();
    for (const auto& [key, value] : object.items()) {
      if (key == "rope_scaling" || key == "max_window_layers") continue;
      EXPECT_EQ(written.value(key, Json()), value) << key << " of " << object.dump();
    }
    auto again = parse(written), first = config;
    again.carried = first.carried = {};
    EXPECT_EQ(again, first);
    EXPECT_EQ(to_json(parse(written)), to_json(config));
  }
}

// Whatever the config came from.
TEST(StockModel, AClassIsFoundThatComputesTheConfig) {
  const auto type_of = [](Json object, const Json& mechanism) {
    object["attention_mechanism"] = mechanism;
    return Json::parse(to_json(parse(object)))["model_type"].get<std::string>();
  };
  const auto plain = small("lookback");
  EXPECT_EQ(type_of(plain, Json::object()), "llama");
  EXPECT_EQ(type_of(plain, window(3)), "mistral");
  auto biased = plain;
  biased["attention_bias"] = true;
  EXPECT_EQ(type_of(biased, {{"attention_out_bias", false}}), "qwen2");
  EXPECT_EQ(type_of(biased, {{"qk_norm", "rms_norm_per_head"}}), "qwen3");
  EXPECT_EQ(type_of(biased, Json::object()), "llama");
  EXPECT_EQ(type_of(biased, window(3)), "lookback");
  auto latents = latent("lookback");
  auto mla = latent_sizes;
  mla.erase("num_key_value_heads");
  for (const auto& [key, value] : mla.items()) latents.erase(key);
  mla["type"] = "mla";
  EXPECT_EQ(type_of(latents, mla), "deepseek_v3");
  latents["mlp_bias"] = true;
  EXPECT_EQ(type_of(latents, mla), "deepseek_v2");
  latents["rope_scaling"] = {{"type", "yarn"}, {"factor", 4}, {"mscale_all_dim", 1}};
  EXPECT_EQ(type_of(latents, mla), "lookback");
  latents.erase("mlp_bias");
  EXPECT_EQ(type_of(latents, mla), "deepseek_v3");
  // More than a class has.
  for (const Json& more :
       {Json{{"clip_qkv", 3}}, Json{{"attn_logit_softcapping", 3}},
        Json{{"position_embedding_type", "alibi"}}, Json{{"softmax_scale", 1}}}) {
    auto both = window(3);
    both.update(more);
    EXPECT_EQ(type_of(plain, both), "lookback") << more.dump();
  }
  const Json method1{{"site", "mlp"}, {"source", "recomputed"}, {"weights", "sum"}};
  EXPECT_EQ(type_of(small("mistral", {{"cross_layer_residual", method1}}), nullptr), "lookback");
}

TEST(StockModel, ItsDifferenceFromTheClassIsSaid) {
  const Json yarn{{"type", "yarn"}, {"factor", 4.0}, {"mscale_all_dim", 1.0}};
  const auto v2 = parse(latent("deepseek_v2", {{"rope_scaling", yarn}}));
  EXPECT_THAT(difference_from_class(v2), HasSubstr("leaves that factor of the scores out"));
  EXPECT_EQ(difference_from_class(parse(latent("deepseek_v2"))), "");
  EXPECT_EQ(difference_from_class(parse(latent("deepseek_v3", {{"rope_scaling", yarn}}))), "");
  // Written as the class that computes it.
  EXPECT_EQ(Json::parse(to_json(v2))["model_type"], "deepseek_v3");
}

}  // namespace
}  // namespace lookback::testing
