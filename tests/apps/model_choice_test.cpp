// --config and --preset: presets are laid over a config in order.
#include "apps/model/model_choice.h"
#include "apps/cli/exit_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/llama/config_file.h"
#include "runtime/check.h"
#include "tests/apps/program_run.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Names = std::vector<std::string>;

Json attention_with(const Names& presets, const std::string& config = "smoke") {
  const auto chosen = choose_model(config, presets).config;
  return Json::parse(to_json_in_own_keys(chosen)).value("attention_mechanism", Json());
}

TEST(ModelChoice, PresetsAddUp) {
  const auto config = choose_model("smoke", {"mla", "method1"}).config;
  EXPECT_EQ(attention_of(config, 0)->type(), "mla");
  EXPECT_EQ(config.num_key_value_heads, config.num_attention_heads);
  EXPECT_EQ(config.cross_layer_residual->source, "recomputed");
  EXPECT_EQ(config, choose_model("smoke", {"method1", "mla"}).config);
  EXPECT_EQ(config, choose_model("smoke", {"llama", "mla", "llama", "method1"}).config);
  EXPECT_EQ(choose_model("smoke", {}).config, choose_model("smoke", {"llama"}).config);
}

TEST(ModelChoice, OptionsOfAttentionAreMerged) {
  const auto mla = attention_with({"mla"});
  auto windowed = mla;
  windowed["pattern"] = {{"sliding_window", 128}};
  EXPECT_EQ(attention_with({"mla", "sliding-window"}), windowed);
  EXPECT_EQ(attention_with({"clip-qkv", "softcap", "alibi"}),
            Json({{"type", "causal"},
                  {"clip_qkv", 8.0},
                  {"attn_logit_softcapping", 50.0},
                  {"position_embedding_type", "alibi"}}));
  // The later one of the same option counts, and what one needs stands in what came before.
  EXPECT_EQ(attention_with({"qk-layer-norm", "qk-rms-norm"})["qk_norm"], "rms_norm");
}

TEST(ModelChoice, WhatPresetsCannotBeTogetherIsRefused) {
  const auto error = [](const Names& presets) -> std::string {
    try {
      static_cast<void>(choose_model("smoke", presets));
    } catch (const Error& problem) {
      return problem.what();
    }
    return "";
  };
  EXPECT_THAT(error({"mla", "clip-qkv"}), HasSubstr("smoke with preset clip-qkv: "));
  EXPECT_THROW(choose_model("smoke", Names{"moa", "method5.1"}), UsageError);
  EXPECT_THAT(error({"dcmha", "method5.4"}),
              HasSubstr("score_accumulation: dcmha has no scores that layers could add up"));
  EXPECT_THAT(error({"mla", "metod1"}), HasSubstr("unknown name metod1: the nearest is method1"));
}

TEST(ModelChoice, PresetsAreLaidOverStockModels) {
  const TemporaryDirectory folder;
  const auto path = (folder.path() / "config.json").string();
  Json stock{{"model_type", "qwen3"},    {"hidden_size", 16},        {"num_hidden_layers", 3},
             {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"use_sliding_window", true},
             {"sliding_window", 5},      {"max_window_layers", 0}};
  write_text(path, stock.dump());
  EXPECT_EQ(attention_with({"softcap", "method1"}, path),
            Json({{"type", "causal"},
                  {"qk_norm", "rms_norm_per_head"},
                  {"attn_logit_softcapping", 50.0},
                  {"pattern", {{"sliding_window", 5}}}}));
  stock = {{"model_type", "deepseek_v3"}, {"hidden_size", 16},
           {"num_hidden_layers", 3},      {"num_attention_heads", 4},
           {"num_key_value_heads", 4},    {"kv_lora_rank", 3},
           {"q_lora_rank", nullptr},      {"qk_nope_head_dim", 6},
           {"qk_rope_head_dim", 4},       {"v_head_dim", 5}};
  write_text(path, stock.dump());
  EXPECT_EQ(attention_with({"sliding-window"}, path),
            Json({{"type", "mla"},
                  {"kv_lora_rank", 3},
                  {"qk_nope_head_dim", 6},
                  {"qk_rope_head_dim", 4},
                  {"v_head_dim", 5},
                  {"pattern", {{"sliding_window", 128}}}}));
}

TEST(ModelChoice, ARunKeepsAllItsPresets) {
  const SmallRun small;
  const auto trained = small.train({"--preset=mla", "--preset", "method1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(read_text(std::filesystem::path(small.run()) / "options.toml"),
              HasSubstr("preset = \"mla method1\""));
  const auto config = read_llama_config(small.run());
  EXPECT_EQ(attention_of(config, 0)->type(), "mla");
  EXPECT_TRUE(config.cross_layer_residual.has_value());
  EXPECT_EQ(run_lookback({"eval", small.run()}).code, 0);
  EXPECT_EQ(small.train({"--preset=mla", "--preset=method1", "--resume", "--max-steps=8"}).code, 0);
  expect_error(small.train({"--preset=mla", "--resume", "--max-steps=8"}), 2, "preset");
}

}  // namespace
}  // namespace lookback::tests
