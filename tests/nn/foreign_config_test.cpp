// config.json as other programs write it: keys that say nothing, keys that ask for what no Llama
// has, and models that are no Llama.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/llama/config_file.h"
#include "nn/llama/config_keys.h"
#include "runtime/check.h"

namespace lookback::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

Json small(const Json& more = Json::object()) {
  Json object{{"architectures", {"LlamaForCausalLM"}},
              {"model_type", "llama"},
              {"vocab_size", 96},
              {"hidden_size", 32},
              {"intermediate_size", 32},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"max_position_embeddings", 128},
              {"rms_norm_eps", 1e-5}};
  for (const auto& [key, value] : more.items()) object[key] = value;
  return object;
}

LlamaConfig parse(const Json& object) {
  auto config = parse_llama_config(object.dump(), "c.json");
  config.carried.clear();
  return config;
}

std::string error_of(const Json& object) {
  try {
    static_cast<void>(parse(object));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Json with(const std::string& key, const Json& value) { return small({{key, value}}); }

TEST(ForeignConfig, KeysThatComputeNothingChangeNothing) {
  const auto plain = parse(small());
  for (const auto key : tool_keys)
    EXPECT_EQ(parse(with(std::string(key), {{"anything", {1, "x"}}})), plain) << key;
  for (const Json& more :
       {Json{{"is_llama_config", true}, {"rope_interleaved", false}},       // nanotron
        Json{{"transformers.js_config", {{"kv_cache_dtype", "float16"}}}},  // transformers.js
        Json{{"unsloth_version", "2024.9"}, {"unsloth_fixed", true}},       // unsloth
        Json{{"max_sequence_length", 2048}, {"pad_token_id", -1}},          // LLaMA-1
        Json{{"activation", "swiglu"}},
        Json{{"hidden_act", "swish"}},                                   // Falcon 3
        Json{{"dtype", "float16"}, {"transformers_version", "5.14.1"}},  // transformers 5
        Json{{"auto_map", {{"AutoConfig", "configuration_x.X"}}}},       // remote code
        Json{{"attn_implementation", "sdpa"}, {"use_flash_attn", true}},
        Json{{"pretraining_tp", 2}},
        Json{{"use_cache", false}},
        Json{{"sliding_window", nullptr}, {"max_window_layers", 28}},
        Json{{"use_sliding_window", false}, {"sliding_window", 4096}, {"max_window_layers", 28}},
        Json{{"partial_rotary_factor", 1.0}, {"rotary_pct", 1}, {"rope_interleave", false}},
        Json{{"embd_pdrop", 0.0}, {"resid_pdrop", 0}, {"hidden_dropout", 0.0}},
        Json{{"residual_multiplier", 1.0}, {"embedding_multiplier", 1}, {"logits_scaling", 1}},
        Json{{"layer_norm_eps", 1e-5}, {"query_pre_attn_scalar", nullptr}},
        Json{{"qkv_bias", false}, {"use_qk_norm", false}, {"use_rope", true}},
        Json{{"num_experts", 0}, {"num_local_experts", 1}, {"use_mrope", false}},
        Json{{"quantization_config", nullptr}, {"loss_type", "ForCausalLM"}},
        Json{{"original_max_position_embeddings", 128}, {"vision_config", Json::object()}},
        Json{{"some_new_switch", false}, {"other_thing", nullptr}, {"list", Json::array()}},
        Json{{"rope_scaling", {{"rope_type", "default"}, {"factor", 1.0}}}}}) {
    const auto error = error_of(small(more));
    EXPECT_EQ(error, "") << more.dump();
    if (!error.empty()) continue;
    EXPECT_EQ(parse(small(more)), plain) << more.dump();
  }
}

// What a tool left behind describes files that are not written again.
TEST(ForeignConfig, MarksOfToolsAreNotHandedOn) {
  const auto config = parse_llama_config(
      small({{"unsloth_version", "1"}, {"auto_map", {{"a", "b"}}}, {"bos_token_id", 1}}).dump(),
      "c.json");
  const auto written = Json::parse(to_json(config));
  EXPECT_FALSE(written.contains("unsloth_version"));
  EXPECT_FALSE(written.contains("auto_map"));
  EXPECT_EQ(written["bos_token_id"], 1);
}

TEST(ForeignConfig, KeysThatComputeAreRefusedWithWhatTheyAskFor) {
  const auto refused = [](const std::string& key, const Json& value, const std::string& text) {
    const auto error = error_of(with(key, value));
    EXPECT_THAT(error, AllOf(HasSubstr("c.json: " + key), HasSubstr(text))) << key;
    EXPECT_THAT(error, Not(HasSubstr("nearest"))) << key;
  };
  refused("sliding_window", 4096, "sliding_window is 4096 (number): a window of attention");
  refused("attention_multiplier", 0.015625, "another scale of the scores");
  refused("embedding_multiplier", 12.0, "a multiplier");
  refused("scale_emb", 12, "a multiplier");
  refused("partial_rotary_factor", 0.25, "turn part of each head");
  refused("rope_interleaved", true, "turn neighbors as pairs");
  refused("clip_qkv", 8, "clipped");
  refused("layer_norm_eps", 1e-6, "the epsilon of another norm");
  refused("hidden_activation", "gelu_pytorch_tanh", "another activation");
  refused("qk_layernorm", true, "norms of queries and keys");
  refused("use_qkv_bias", true, "biases");
  refused("attention_out_bias", true, "biases");
  refused("resid_pdrop", 0.1, "dropout");
  refused("num_local_experts", 8, "a mixture of experts");
  refused("final_logit_softcapping", 30.0, "capped");
  refused("no_rope_layers", {1, 0}, "layers without positions");
  refused("dim", 4096, "Meta's own format");
  refused("n_embd", 768, "GPT-2");
  // What a Llama has, switched off.
  refused("use_rope", false, "whether positions are rotary");
  refused("is_causal", false, "look back alone");
  refused("use_rms_norm", false, "RMSNorm");
  refused("gated_mlp", false, "gate");
  EXPECT_THAT(error_of(with("quantization_config",
                            {{"bits", 4}, {"group_size", 128}, {"quant_method", "gptq"}})),
              HasSubstr("quantization_config: the weights are quantized (GPTQ, 4 bits)"));
  EXPECT_THAT(error_of(with("quantization", {{"bits", 4}, {"group_size", 64}})),
              HasSubstr("the weights are quantized (4 bits)"));
  // o alone would have no bias.
  EXPECT_THAT(error_of(small({{"attention_bias", true}, {"attention_out_bias", false}})),
              HasSubstr("attention_out_bias is false"));
  // A length of its own beside a scaling that has another.
  EXPECT_THAT(error_of(small(
                  {{"original_max_position_embeddings", 64},
                   {"rope_scaling",
                    {{"type", "yarn"}, {"factor", 2}, {"original_max_position_embeddings", 32}}}})),
              HasSubstr("a length of rope_scaling"));
}

TEST(ForeignConfig, TheNearestKeyIsOfferedForASlipAlone) {
  EXPECT_THAT(error_of(with("rope_tetha", 1)), HasSubstr("the nearest is rope_theta"));
  EXPECT_THAT(error_of(with("num_hiden_layers", 1)), HasSubstr("the nearest is num_hidden_layers"));
  EXPECT_THAT(error_of(with("attention_biass", false)), HasSubstr("the nearest is attention_bias"));
  for (const auto* key : {"my_new_feature", "dype", "foo", "head_count", "state_size"}) {
    EXPECT_THAT(error_of(with(key, 3)),
                AllOf(HasSubstr(fmt::format("unknown key \"{}\" (3 (number))", key)),
                      HasSubstr("it may compute something"), Not(HasSubstr("nearest"))));
  }
}

TEST(ForeignConfig, ModelsThatAreNoLlamaAreRefusedBeforeTheirKeys) {
  const auto of_type = [](const std::string& type, const std::string& name, const Json& more) {
    auto object = small(more);
    object["model_type"] = type;
    object["architectures"] = {name};
    return error_of(object);
  };
  const Json computes{{"attention_multiplier", 0.1}, {"sliding_window", 2047}, {"strange", 1}};
  EXPECT_EQ(of_type("granite", "GraniteForCausalLM", computes),
            "[config] c.json: model_type is granite: its embeddings, scores, residual stream and "
            "logits have multipliers of their own (embedding_multiplier, attention_multiplier, "
            "residual_multiplier, logits_scaling), which no Llama has");
  const std::vector<std::array<const char*, 3>> known{
      {"olmo", "OlmoForCausalLM", "LayerNorm without parameters"},
      {"olmo2", "Olmo2ForCausalLM", "post-norms"},
      {"phi3", "Phi3ForCausalLM", "packed"},
      {"stablelm", "StableLmForCausalLM", "its norms are LayerNorm"},
      {"gemma", "GemmaForCausalLM", "1 + weight"},
      {"gpt_neox", "GPTNeoXForCausalLM", "LayerNorm"},
      {"mamba", "MambaForCausalLM", "state"},
      {"mixtral", "MixtralForCausalLM", "experts"},
      {"smollm3", "SmolLM3ForCausalLM", "no positions"},
      {"cohere", "CohereForCausalLM", "beside attention"}};
  for (const auto& [type, name, text] : known) {
    EXPECT_THAT(of_type(type, name, computes),
                AllOf(HasSubstr(fmt::format("model_type is {}: ", type)), HasSubstr(text)));
    // By the class where there is no type, and where the type says llama.
    for (const auto* other : {"", "llama"}) {
      EXPECT_THAT(of_type(other, name, computes),
                  AllOf(HasSubstr(fmt::format("architectures is {}: ", name)), HasSubstr(text)));
    }
  }
  EXPECT_THAT(of_type("", "MiniCPMForCausalLM", {{"scale_emb", 12}}),
              HasSubstr("architectures is MiniCPMForCausalLM: its embeddings, residual stream"));
  EXPECT_THAT(of_type("brand_new", "BrandNewForCausalLM", computes),
              HasSubstr("model_type is brand_new: only llama can be read, and deepseek_v2"));
  EXPECT_THAT(error_of(with("architectures", "Olmo2ForCausalLM")), HasSubstr("post-norms"));
  EXPECT_THAT(of_type("", "BrandNewForCausalLM", {}), HasSubstr("that class is not known"));
  EXPECT_THAT(of_type("llama", "LlamaForSequenceClassification", {}),
              HasSubstr("has another head than LlamaForCausalLM"));
  EXPECT_THAT(of_type("llama", "MistralForCausalLM", {}),
              HasSubstr("model_type is llama and architectures is MistralForCausalLM: they must"));
}

TEST(ForeignConfig, NamesOfALlamaAreOne) {
  const auto plain = parse(small());
  for (const auto* name : {"LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"})
    EXPECT_EQ(parse(with("architectures", {name})), plain) << name;
  for (const auto* type : {"code_llama", "LLaMA"})
    EXPECT_EQ(parse(with("model_type", type)), plain) << type;
  EXPECT_EQ(parse(with("architectures", nullptr)), plain);
  // A stock model by its class alone.
  auto mistral = small({{"architectures", {"MistralForCausalLM"}}, {"sliding_window", 7}});
  mistral.erase("model_type");
  EXPECT_EQ(attention_of(parse(mistral), 0)->to_json()["pattern"]["sliding_window"], 7);
  EXPECT_EQ(Json::parse(to_json(parse_llama_config(mistral.dump(), "c")))["model_type"], "mistral");
}

TEST(RopeParameters, AreThoseOfTransformersFive) {
  EXPECT_EQ(parse(with("rope_parameters", {{"rope_theta", 500000.0}, {"rope_type", "default"}})),
            parse(with("rope_theta", 500000.0)));
  const Json scaling{{"rope_type", "llama3"},
                     {"factor", 8.0},
                     {"low_freq_factor", 1.0},
                     {"high_freq_factor", 4.0},
                     {"original_max_position_embeddings", 32}};
  auto parameters = scaling;
  parameters["rope_theta"] = 1e6;
  const auto expected = parse(small({{"rope_theta", 1e6}, {"rope_scaling", scaling}}));
  EXPECT_EQ(parse(with("rope_parameters", parameters)), expected);
  // Written twice, they must agree.
  EXPECT_EQ(parse(small(
                {{"rope_theta", 1e6}, {"rope_scaling", scaling}, {"rope_parameters", parameters}})),
            expected);
  EXPECT_THAT(error_of(small({{"rope_theta", 1e4}, {"rope_parameters", parameters}})),
              HasSubstr("rope_parameters.rope_theta is 1000000.0 (number): must be the rope_theta "
                        "that stands outside it, 10000"));
  EXPECT_THAT(error_of(small({{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
                              {"rope_parameters", parameters}})),
              HasSubstr("they must agree"));
  const auto theta_of = [](const Json& value) {
    return parse(with("rope_parameters", value)).rope_theta;
  };
  EXPECT_EQ(theta_of(nullptr), 10000);
  EXPECT_EQ(theta_of({{"rope_type", "default"}}), 10000);
  EXPECT_EQ(theta_of({{"rope_theta", 7}, {"partial_rotary_factor", 1.0}}), 7);
  const auto error = [](const Json& value) { return error_of(with("rope_parameters", value)); };
  EXPECT_THAT(error({{"rope_theta", "x"}}), HasSubstr("must be a number above 0"));
  EXPECT_THAT(error({{"rope_type", "dynamic"}, {"factor", 2}}),
              HasSubstr("rope_parameters.rope_type is \"dynamic\": must be default, linear,"));
  EXPECT_THAT(error({{"full_attention", {{"rope_theta", 1e4}}}}),
              HasSubstr("rope_parameters.full_attention is an object: all layers"));
  EXPECT_THAT(error({{"partial_rotary_factor", 0.5}}), HasSubstr("\"partial_rotary_factor\""));
  EXPECT_THAT(error({{"rope_thetta", 5}}), HasSubstr("the nearest is rope_theta"));
  EXPECT_THAT(error("default"), HasSubstr("must be an object or null"));
  // A length that linear does not look at; the mark of a tool.
  EXPECT_EQ(parse(with("rope_scaling", {{"type", "linear"},
                                        {"factor", 2},
                                        {"original_max_position_embeddings", 64},
                                        {"finetuned", true}})),
            parse(with("rope_scaling", {{"type", "linear"}, {"factor", 2}})));
}

}  // namespace
}  // namespace lookback::tests
