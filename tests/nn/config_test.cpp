// config.json: what is read, what is ignored, and what is refused by one clear line.
#include "nn/llama/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/llama/config_keys.h"
#include "runtime/check.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using std::string;
using ::testing::AllOf;
using ::testing::HasSubstr;

LlamaConfig parse(const json& object) { return parse_llama_config(object.dump(), "c.json"); }

// A small config with one key changed.
LlamaConfig with(const string& key, const json& value) {
  json object = {{"hidden_size", 32}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}};
  object[key] = value;
  return parse(object);
}

string error_of(const string& text) {
  try {
    parse_llama_config(text, "c.json");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

string error_with(const string& key, const json& value) {
  json object = {{"hidden_size", 32}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}};
  object[key] = value;
  return error_of(object.dump());
}

TEST(Config, EveryKeyIsRead) {
  const auto config = parse_llama_config(R"({
    "vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-05, "rope_theta": 500000, "initializer_range": 0.1,
    "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true,
    "rope_scaling": {"rope_type": "linear", "factor": 4}, "attention_dropout": 0.0,
    "pretraining_tp": 1, "hidden_act": "silu"})",
                                         "c.json");
  const LlamaConfig expected = {.vocab_size = 61,
                                .hidden_size = 32,
                                .intermediate_size = 48,
                                .num_hidden_layers = 3,
                                .num_attention_heads = 4,
                                .num_key_value_heads = 2,
                                .head_dim = 6,
                                .max_position_embeddings = 64,
                                .rms_norm_eps = 1e-5,
                                .rope_theta = 500000,
                                .initializer_range = 0.1,
                                .rope_scaling = {.kind = RopeScaling::Kind::linear, .factor = 4},
                                .tie_word_embeddings = true,
                                .attention_bias = true,
                                .mlp_bias = true};
  EXPECT_EQ(config, expected);
}

TEST(Config, MissingKeysHaveTransformersDefaults) {
  // LlamaConfig() of transformers 4.47.1.
  const LlamaConfig expected = {.vocab_size = 32000,
                                .hidden_size = 4096,
                                .intermediate_size = 11008,
                                .num_hidden_layers = 32,
                                .num_attention_heads = 32,
                                .num_key_value_heads = 32,
                                .head_dim = 128,
                                .max_position_embeddings = 2048,
                                .rms_norm_eps = 1e-6,
                                .rope_theta = 10000,
                                .initializer_range = 0.02};
  EXPECT_EQ(parse(json::object()), expected);
  EXPECT_EQ(parse({{"num_key_value_heads", nullptr},
                   {"head_dim", nullptr},
                   {"rope_scaling", nullptr},
                   {"cross_layer_residual", nullptr}}),
            expected);
  EXPECT_EQ(parse({{"num_attention_heads", 16}}).num_key_value_heads, 16);
  EXPECT_EQ(parse({{"num_attention_heads", 16}}).head_dim, 256);
}

TEST(Config, NullIsAsAKeyThatIsMissing) {
  auto object = json::parse(to_json(LlamaConfig{}));
  for (auto& value : object) value = nullptr;
  auto config = parse(object);
  config.carried.clear();
  EXPECT_EQ(config, LlamaConfig{});
}

TEST(Config, KeysOfEveryModelAreIgnored) {
  for (const auto key : ignored_config_keys) {
    const json value = {{"anything", {1, "x"}}};
    auto config = with(string(key), value);
    EXPECT_EQ(config.hidden_size, 32) << key;
  }
  EXPECT_EQ(with("_name_or_path", 3), with("_anything", 4));
  // The first and last of PretrainedConfig's, and the one of LlamaConfig.
  for (const char* key :
       {"add_cross_attention", "use_bfloat16", "use_cache", "torch_dtype", "dtype"}) {
    EXPECT_EQ(error_with(key, "x"), "") << key;
  }
}

TEST(Config, UnknownKeysAreNamedWithTheNearestKnownOne) {
  EXPECT_EQ(error_with("hiden_size", 3),
            "[config] c.json: unknown key \"hiden_size\": the nearest is hidden_size");
  EXPECT_THAT(error_with("rope_scalling", nullptr), HasSubstr("the nearest is rope_scaling"));
  EXPECT_THAT(error_with("a\nb", 1), HasSubstr(R"(unknown key "a\nb")"));
}

TEST(Config, WrongTypesAndValuesAreNamed) {
  const string integer = ": must be an integer from 1 to 2147483647";
  for (const char* key :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
    const auto said = [&](const char* value) {
      return fmt::format("[config] c.json: {} is {}{}", key, value, integer);
    };
    EXPECT_EQ(error_with(key, "32"), said("\"32\" (string)"));
    EXPECT_EQ(error_with(key, 32.0), said("32.0 (number)"));
    EXPECT_EQ(error_with(key, true), said("true (boolean)"));
    EXPECT_EQ(error_with(key, 0), said("0 (number)"));
    EXPECT_EQ(error_with(key, -4), said("-4 (number)"));
    EXPECT_EQ(error_with(key, 2147483648), said("2147483648 (number)"));
    EXPECT_THAT(error_of("{\"" + string(key) + "\": 99999999999999999999999}"), HasSubstr(integer));
  }
  EXPECT_EQ(error_with("rope_theta", "10000"),
            "[config] c.json: rope_theta is \"10000\" (string): must be a number above 0");
  EXPECT_THAT(error_with("rope_theta", 0), HasSubstr("must be a number above 0"));
  EXPECT_THAT(error_with("rms_norm_eps", -1e-5), HasSubstr("must be a number of at least 0"));
  EXPECT_EQ(with("rms_norm_eps", 0).rms_norm_eps, 0);
  EXPECT_THAT(error_with("initializer_range", json::array()),
              HasSubstr("[] (array): must be a number"));
  for (const char* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"}) {
    EXPECT_THAT(error_with(key, 1),
                HasSubstr(string(key) + " is 1 (number): must be true or false"));
  }
  EXPECT_EQ(error_with("num_hidden_layers", 65537),
            "[config] c.json: num_hidden_layers is 65537 (number): must be at most 65536");
  EXPECT_THAT(error_with("attention_dropout", 0.1),
              HasSubstr("attention_dropout is 0.1 (number): must be 0"));
  EXPECT_THAT(error_with("pretraining_tp", 0),
              HasSubstr("pretraining_tp is 0 (number): must be an integer from 1"));
  EXPECT_THAT(error_with("hidden_act", "gelu"),
              HasSubstr("hidden_act is \"gelu\" (string): must be \"silu\""));
}

TEST(Config, BrokenJsonIsSaidWithItsPlace) {
  EXPECT_THAT(error_of("{\"hidden_size\": 32,\n \"vocab_size\" 61}"),
              AllOf(HasSubstr("[config] c.json: parse error at line 2, column 16"),
                    testing::Not(HasSubstr("\n"))));
  EXPECT_THAT(error_of(""), HasSubstr("[config] c.json: parse error at line 1"));
  EXPECT_THAT(error_of("{\"hidden_size\": NaN}"), HasSubstr("parse error"));
  EXPECT_THAT(error_of("{\"hidden_size\": 32, \"hidden_size\": 64}"),
              HasSubstr("\"hidden_size\" stands twice"));
  EXPECT_EQ(error_of("[1]"), "[config] c.json: must hold one JSON object");
}

TEST(Config, HeadsMustFit) {
  EXPECT_EQ(
      error_with("hidden_size", 34),
      "[config] c.json: hidden_size is 34: must be a multiple of num_attention_heads, 4, where no "
      "head_dim is given");
  EXPECT_EQ(parse({{"hidden_size", 34}, {"num_attention_heads", 4}, {"head_dim", 6}}).head_dim, 6);
  EXPECT_EQ(
      error_with("num_key_value_heads", 3),
      "[config] c.json: num_attention_heads is 4: must be a multiple of num_key_value_heads, 3");
  EXPECT_THAT(error_with("num_key_value_heads", 8),
              HasSubstr("must be a multiple of num_key_value_heads, 8"));
  EXPECT_THAT(error_with("hidden_size", 20), HasSubstr("the head size is 5: must be even"));
  EXPECT_THAT(error_with("head_dim", 7), HasSubstr("the head size is 7: must be even"));
  EXPECT_EQ(with("num_key_value_heads", 1).num_key_value_heads, 1);
  EXPECT_EQ(with("num_key_value_heads", 4).num_key_value_heads, 4);
}

TEST(Config, RopeScaling) {
  const auto scaling = [](const json& value) { return with("rope_scaling", value).rope_scaling; };
  EXPECT_EQ(scaling({{"rope_type", "default"}}), RopeScaling{});
  EXPECT_EQ(scaling(json::object()), RopeScaling{});
  const RopeScaling linear = {.kind = RopeScaling::Kind::linear, .factor = 2.5};
  EXPECT_EQ(scaling({{"rope_type", "linear"}, {"factor", 2.5}}), linear);
  EXPECT_EQ(scaling({{"type", "linear"}, {"factor", 2.5}}), linear);
  EXPECT_EQ(scaling({{"type", "linear"}, {"rope_type", "linear"}, {"factor", 2.5}}), linear);
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  const RopeScaling expected = {.kind = RopeScaling::Kind::llama3,
                                .factor = 8,
                                .low_freq_factor = 1,
                                .high_freq_factor = 4,
                                .original_max_position_embeddings = 16};
  EXPECT_EQ(scaling(llama3), expected);

  const auto error = [](const json& value) { return error_with("rope_scaling", value); };
  EXPECT_EQ(error("linear"),
            "[config] c.json: rope_scaling is \"linear\" (string): must be an object or null");
  EXPECT_EQ(error({{"rope_type", "dynamic"}, {"factor", 2}}),
            "[config] c.json: rope_scaling.rope_type is \"dynamic\": must be default, linear, "
            "llama3 or yarn");
  EXPECT_THAT(error({{"rope_type", 3}}),
              HasSubstr("rope_scaling.rope_type is 3 (number): must be a string"));
  EXPECT_THAT(error({{"rope_type", "linear"}}),
              HasSubstr("rope_scaling of rope_type linear has no factor"));
  EXPECT_THAT(error({{"rope_type", "linear"}, {"factor", 0}}),
              HasSubstr("rope_scaling.factor is 0 (number): must be"));
  EXPECT_THAT(error({{"rope_type", "linear"}, {"factor", "2"}}),
              HasSubstr("\"2\" (string): must be a number above 0"));
  EXPECT_THAT(error({{"rope_type", "linear"}, {"factr", 2}}),
              HasSubstr("unknown key rope_scaling.\"factr\": the nearest is factor"));
  EXPECT_THAT(error({{"rope_type", "default"}, {"factor", 2}}),
              HasSubstr("unknown key rope_scaling.\"factor\""));
  EXPECT_THAT(error({{"rope_type", "linear"}, {"type", "llama3"}, {"factor", 2}}),
              HasSubstr("they must agree"));
  auto missing = llama3, reversed = llama3;
  missing.erase("low_freq_factor");
  EXPECT_THAT(error(missing), HasSubstr("rope_scaling of rope_type llama3 has no low_freq_factor"));
  reversed["high_freq_factor"] = 1;
  EXPECT_THAT(
      error(reversed),
      HasSubstr("rope_scaling.high_freq_factor is 1 (number): must be above low_freq_factor, 1"));
}

TEST(Config, YarnScaling) {
  const auto scaling = [](const json& value) { return with("rope_scaling", value).rope_scaling; };
  const RopeScaling plain{
      .kind = RopeScaling::Kind::yarn, .factor = 4, .original_max_position_embeddings = 2048};
  // Without a length of its own that of the model; 0 and null as nothing.
  EXPECT_EQ(scaling({{"rope_type", "yarn"}, {"factor", 4}}), plain);
  EXPECT_EQ(scaling({{"type", "yarn"},
                     {"factor", 4.0},
                     {"original_max_position_embeddings", nullptr},
                     {"beta_fast", 0},
                     {"beta_slow", nullptr},
                     {"mscale", 0},
                     {"mscale_all_dim", nullptr},
                     {"attention_factor", 0}}),
            plain);
  const json whole = {
      {"rope_type", "yarn"},   {"factor", 40.0},         {"original_max_position_embeddings", 64},
      {"beta_fast", 16.0},     {"beta_slow", 2.0},       {"mscale", 0.7},
      {"mscale_all_dim", 0.6}, {"attention_factor", 1.5}};
  RopeScaling expected{.kind = RopeScaling::Kind::yarn,
                       .factor = 40,
                       .original_max_position_embeddings = 64,
                       .beta_fast = 16,
                       .beta_slow = 2,
                       .mscale = 0.7,
                       .mscale_all_dim = 0.6,
                       .attention_factor = 1.5};
  EXPECT_EQ(scaling(whole), expected);
  const auto config = with("rope_scaling", whole);
  EXPECT_EQ(json::parse(to_json(config))["rope_scaling"], whole);
  EXPECT_EQ(parse_llama_config(to_json(config), "again").rope_scaling, expected);

  const auto error = [](const json& value) { return error_with("rope_scaling", value); };
  EXPECT_THAT(error({{"rope_type", "yarn"}}),
              HasSubstr("rope_scaling of rope_type yarn has no factor"));
  EXPECT_THAT(error({{"rope_type", "yarn"}, {"factor", 4}, {"mscale", -1}}),
              HasSubstr("rope_scaling.mscale is -1 (number): must be a number of at least 0"));
  EXPECT_THAT(error({{"rope_type", "yarn"}, {"factor", 4}, {"beta_fats", 1}}),
              HasSubstr("unknown key rope_scaling.\"beta_fats\": the nearest is beta_fast"));
  EXPECT_THAT(error_of(R"({"rope_theta": 1, "rope_scaling": {"type": "yarn", "factor": 2}})"),
              HasSubstr("rope_theta is 1: must be another number where rope_type is yarn"));
}

TEST(Config, WhatIsWrittenIsReadBack) {
  auto config = built_in_llama_config("smoke");
  config.head_dim = 6;
  config.attention_bias = true;
  config.rms_norm_eps = 0.1 + 0.2;
  for (const auto kind :
       {RopeScaling::Kind::none, RopeScaling::Kind::linear, RopeScaling::Kind::llama3}) {
    config.rope_scaling = {.kind = kind};
    if (kind != RopeScaling::Kind::none) config.rope_scaling.factor = 3;
    auto again = parse_llama_config(to_json(config), "again");
    again.carried = config.carried;
    EXPECT_EQ(again, config);
  }
  const auto written = json::parse(to_json(config, DType::f64));
  EXPECT_EQ(written["model_type"], "llama");
  EXPECT_EQ(written["architectures"], json({"LlamaForCausalLM"}));
  EXPECT_EQ(written["torch_dtype"], "float64");
  EXPECT_EQ(written["hidden_act"], "silu");
  EXPECT_TRUE(written["rope_scaling"]["original_max_position_embeddings"].is_number_integer());
  EXPECT_EQ(json::parse(to_json(LlamaConfig{}))["torch_dtype"], "float32");
  EXPECT_TRUE(to_json(config).ends_with("}\n"));
}

TEST(Config, TokenIdsAreHandedOn) {
  const auto config = parse({{"bos_token_id", 128000},
                             {"eos_token_id", {128001, 128009}},
                             {"torch_dtype", "bfloat16"},
                             {"model_type", "llama"},
                             {"_name_or_path", "somewhere"}});
  const auto written = json::parse(to_json(config));
  EXPECT_EQ(written["bos_token_id"], 128000);
  EXPECT_EQ(written["eos_token_id"], json({128001, 128009}));
  EXPECT_EQ(written["torch_dtype"], "float32");
  EXPECT_FALSE(written.contains("_name_or_path"));
}

TEST(Config, BuiltIns) {
  const auto smoke = built_in_llama_config("smoke"), tiny = built_in_llama_config("tiny"),
             large = built_in_llama_config("124m");
  EXPECT_EQ(smoke.head_dim, 32);
  EXPECT_EQ(smoke.num_key_value_heads, 4);
  EXPECT_EQ(tiny.vocab_size, 32000);
  EXPECT_FALSE(tiny.tie_word_embeddings);
  EXPECT_EQ(large.hidden_size, 768);
  EXPECT_THAT(built_in_config_names(), testing::UnorderedElementsAre("smoke", "tiny", "124m"));
  try {
    built_in_llama_config("smoky");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[config] no built-in config smoky: the nearest is smoke");
  }
}

TEST(Config, FromAFileOrItsFolder) {
  const TemporaryDirectory folder;
  const auto path = (folder.path() / "config.json").string();
  const auto refused = [](const string& name) {
    try {
      read_llama_config(name);
      return string();
    } catch (const Error& error) {
      return string(error.what());
    }
  };
  EXPECT_EQ(refused(path), "[config] " + path + ": cannot be read: No such file or directory");
  EXPECT_EQ(refused(folder.path()),
            "[config] " + path + ": cannot be read: No such file or directory");
  std::ofstream(path) << to_json(built_in_llama_config("tiny"));
  EXPECT_EQ(read_llama_config(path).intermediate_size, 1024);
  EXPECT_EQ(read_llama_config(folder.path()).intermediate_size, 1024);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_EQ(refused(path),
            "[config] " + path + "/config.json: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace lookback::tests
