// The keys of config.json that make a variant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "runtime/check.h"

namespace lookback::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const json small{{"vocab_size", 13},
                 {"hidden_size", 8},
                 {"intermediate_size", 12},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4}};

LlamaConfig with(const json& keys = json::object()) {
  auto object = small;
  object.update(keys);
  return parse_llama_config(object.dump(), "c.json");
}

const LlamaConfig sizes{
    .hidden_size = 8, .num_attention_heads = 4, .num_key_value_heads = 4, .head_dim = 2};

std::string error_of(const json& keys) {
  try {
    with(keys);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const json method1{{"site", "mlp"}, {"source", "recomputed"}, {"weights", "sum"}};

TEST(VariantConfig, KeysSetTheAxes) {
  auto keys = method1;
  keys["site"] = "attention";
  keys["stream"] = "replace";
  keys["include_self"] = false;
  keys["weights"] = "learned";
  const auto config = with({{"cross_layer_residual", keys},
                            {"score_accumulation", {{"scale", "power"}}},
                            {"fault", "unmasked"}});
  const auto cross = config.cross_layer_residual.value();
  EXPECT_EQ(cross.source, "recomputed");
  EXPECT_EQ(cross.site, CrossLayerResidual::Site::attention);
  EXPECT_EQ(cross.weights, CrossLayerResidual::Weights::learned);
  EXPECT_EQ(cross.stream, CrossLayerResidual::Stream::replace);
  EXPECT_FALSE(cross.include_self);
  EXPECT_EQ(config.score_scale, "power");
  EXPECT_EQ(config.fault, "unmasked");
}

TEST(VariantConfig, NullKeysArePlain) {
  EXPECT_EQ(
      with(
          {{"cross_layer_residual", nullptr}, {"score_accumulation", nullptr}, {"fault", nullptr}}),
      with());
}

TEST(VariantConfig, EveryPresetIsWrittenAndReadBack) {
  for (const auto& [name, preset] : presets()) {
    const auto config = with(json::parse(preset.config.for_model(sizes)));
    EXPECT_EQ(parse_llama_config(to_json(config), "written").cross_layer_residual,
              config.cross_layer_residual)
        << name;
    EXPECT_EQ(parse_llama_config(to_json(config), "written").score_scale, config.score_scale);
    EXPECT_EQ(parse_llama_config(to_json(config), "written").fault, config.fault);
    EXPECT_EQ(name == "llama", config == with()) << name;
  }
}

TEST(VariantConfig, OlderModelTypesStandForPresets) {
  const std::map<std::string, std::string> types{
      {"method1-v3", "method1"},     {"method2-v3", "method2"},     {"method3-1-v3", "method3.1"},
      {"method3_1-v3", "method3.1"}, {"method3-2-v3", "method3.2"}, {"method3_2-v3", "method3.2"},
      {"method4-1-v3", "method4.1"}, {"method4_1-v3", "method4.1"}, {"method4-2-v3", "method4.2"},
      {"method4_2-v3", "method4.2"}, {"method1-v4", "method5.1"},   {"method2-v4", "method5.2"},
      {"method3-v4", "method5.3"},   {"method4-v4", "method5.4"},   {"method5-v4", "method5.5"},
      {"method6-v4", "method5.6"},   {"method7-v4", "method5.7"},   {"method8-v4", "method5.8"},
      {"method1-v2", "stored1"},     {"method2-v2", "stored2"},     {"method3-v2", "stored3"}};
  for (const auto& [type, preset] : types) {
    const auto config = with({{"model_type", type}});
    const auto expected = with(json::parse(find_preset(preset).config.for_model(sizes)));
    EXPECT_EQ(config.cross_layer_residual, expected.cross_layer_residual) << type;
    EXPECT_EQ(config.score_scale, expected.score_scale) << type;
  }
  EXPECT_THAT(error_of({{"model_type", "method9-v9"}}),
              HasSubstr("model_type \"method9-v9\" is no variant that is known: known are "
                        "method1-v3, method2-v3"));
  // What else stands there is ignored, as in every config of transformers.
  EXPECT_EQ(error_of({{"model_type", ""}}), "");
}

TEST(VariantConfig, KeysWinOverTheModelType) {
  auto keys = method1;
  keys["site"] = "attention";
  const auto config = with({{"model_type", "method1-v3"}, {"cross_layer_residual", keys}});
  EXPECT_EQ(config.cross_layer_residual->site, CrossLayerResidual::Site::attention);
}

TEST(VariantConfig, OnlyThePlainModelCallsItselfALlama) {
  EXPECT_THAT(to_json(with()), HasSubstr("\"model_type\": \"llama\""));
  EXPECT_THAT(to_json(with({{"cross_layer_residual", method1}})),
              HasSubstr("\"model_type\": \"lookback\""));
}

TEST(VariantConfig, WhatIsWrongIsSaidWithWhatIsAllowed) {
  const auto residual = [](const char* key, const json& value) {
    auto keys = method1;
    keys[key] = value;
    return error_of({{"cross_layer_residual", keys}});
  };
  const std::string head = "[config] c.json: cross_layer_residual.";
  EXPECT_EQ(residual("site", "middle"),
            head + "site is \"middle\" (string): must be one of mlp, attention");
  EXPECT_EQ(residual("source", "plain"),
            head + "source is \"plain\" (string): must be one of recomputed, stored");
  EXPECT_EQ(residual("weights", 1),
            head + "weights is 1 (number): must be one of sum, mean, learned");
  EXPECT_EQ(residual("stream", "cut"),
            head + "stream is \"cut\" (string): must be one of add, replace");
  EXPECT_EQ(residual("include_self", 1),
            head + "include_self is 1 (number): must be true or false");
  EXPECT_THAT(residual("sites", "mlp"),
              HasSubstr("unknown key cross_layer_residual.\"sites\": the nearest is site"));
  EXPECT_EQ(error_of({{"cross_layer_residual", {{"site", "mlp"}}}}),
            "[config] c.json: cross_layer_residual has no source");
  EXPECT_THAT(error_of({{"cross_layer_residual", "method1"}}), HasSubstr("must be an object"));
  EXPECT_EQ(
      error_of({{"score_accumulation", {{"scale", "own"}}}}),
      "[config] c.json: score_accumulation.scale is \"own\" (string): must be one of decayed, "
      "per_layer, per_layer_free, per_layer_power, per_layer_share, power, power_dk, "
      "sqrt_dk, sqrt_dk_m, sqrt_dk_sqrt_m");
  EXPECT_THAT(error_of({{"fault", "typo"}}),
              HasSubstr("fault is \"typo\" (string): must be one of all_gradients_dropped, "));
}

}  // namespace
}  // namespace lookback::testing
