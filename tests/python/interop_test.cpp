// The same files under transformers' and safetensors' own hands. Skipped where Python has neither.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "apps/data/tokenizer_file.h"
#include "apps/model/model_folder.h"
#include "autograd/grad_mode.h"
#include "nn/initialize.h"
#include "nn/llama/config_file.h"
#include "nn/llama/config_keys.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"
#include "tests/python/python_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::string;
using ::testing::IsEmpty;

// Writes the logits of a model folder for some tokens, and has transformers make its own.
json opened_by_transformers(const fs::path& folder, DType dtype) {
  const TemporaryDirectory scratch;
  const auto llama = load_model(folder, precision_of(dtype));
  const auto ids = empty({2, 19}, DType::i64);
  RandomStream random(3, 0);
  for (auto& id : ids.elements<std::int64_t>()) {
    id = static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(llama->config.vocab_size)));
  }
  const NoGrad no_grad;
  write_safetensors(scratch.path() / "logits", {{"ids", ids}, {"logits", llama->logits(ids)}});
  return run_python("open_folder.py", {folder, scratch.path() / "logits"});
}

void expect_same_model(const json& opened, const string& dtype) {
  EXPECT_LT(opened["difference"], 1e-4) << opened;
  EXPECT_GT(opened["largest"], 0.1);
  EXPECT_EQ(opened["dtype"], "torch." + dtype);
  EXPECT_THAT(opened["missing"], IsEmpty());
  EXPECT_THAT(opened["unexpected"], IsEmpty());
}

TEST(PythonInterop, ATrainedFolderOpensInTransformers) {
  LOOKBACK_NEEDS_PYTHON();
  const TemporaryDirectory scratch;
  const auto folder = scratch.path() / "run";
  const auto trained =
      run_lookback({"train", "--config", "smoke", "--data", "builtin:markov", "--max-steps", "3",
                    "--batch-size", "2", "--block-size", "32", "--output-dir", folder, "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  expect_same_model(opened_by_transformers(folder, DType::f32), "float32");
}

TEST(PythonInterop, ATokenizerWrittenToAFolderOpensInTransformers) {
  LOOKBACK_NEEDS_PYTHON();
  const std::vector<string> texts = {"First Citizen: it's  12", " a naïve\n\n text ", "x",
                                     "def f(x):\n\treturn 'CamelCase'", "日本語 😀"};
  for (const auto* name :
       {"gpt2.json", "llama3.json", "starcoder.json", "qwen.json", "bpe.model"}) {
    const TemporaryDirectory folder;
    const string file = source_directory() / "tests/golden/tokenizers" / name;
    write_tokenizer(file, folder.path());
    write_text(folder.path() / "texts.json", json(texts).dump());
    const auto opened =
        run_python("open_tokenizer.py", {folder.path(), folder.path() / "texts.json"});
    const auto tokenizer = read_tokenizer(file);
    const string version = run_python("config_keys.py")["version"];
    for (std::size_t i = 0; i < texts.size(); ++i) {
      // From 5 on a Llama's SentencePiece model without tokenizer_config.json puts no second space
      // in front (docs/data.md).
      if (version.starts_with("5.") && file.ends_with(".model") && texts[i].starts_with(' '))
        continue;
      const auto tokens = tokenizer->encode(texts[i]);
      EXPECT_EQ(opened["ids"][i], json(tokens)) << name << ": " << texts[i];
      EXPECT_EQ(opened["decoded"][i], tokenizer->decode(tokens)) << name << ": " << texts[i];
    }
  }
}

TEST(PythonInterop, EveryKindOfModelOpensInTransformers) {
  LOOKBACK_NEEDS_PYTHON();
  auto config = built_in_llama_config("smoke");
  config.hidden_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 1;
  config.head_dim = 10;
  config.tie_word_embeddings = false;
  config.attention_bias = config.mlp_bias = true;
  config.rms_norm_eps = 1e-3;
  config.rope_theta = 500;
  for (const auto kind : {RopeScaling::Kind::none, RopeScaling::Kind::linear,
                          RopeScaling::Kind::llama3, RopeScaling::Kind::yarn}) {
    config.rope_scaling = {.kind = kind,
                           .factor = kind == RopeScaling::Kind::none ? 1.0 : 4.0,
                           .original_max_position_embeddings = 16};
    // That version counts rotations by max_position_embeddings, whatever original_.. says.
    if (kind == RopeScaling::Kind::yarn && run_python("config_keys.py")["version"] == "4.47.1")
      continue;
    const auto dtype = kind == RopeScaling::Kind::linear ? DType::f64 : DType::f32;
    const Llama llama(config, precision_of(dtype));
    initialize(llama.parameters(), 0.2, 5);
    const TemporaryDirectory folder;
    save_model(llama, folder.path());
    expect_same_model(opened_by_transformers(folder.path(), dtype), string(name_of(dtype)));
  }
}

// Skips where transformers is older than the youngest of the classes.
#define LOOKBACK_NEEDS_STOCK_MODELS()                                           \
  LOOKBACK_NEEDS_PYTHON();                                                      \
  if (const auto keys = run_python("config_keys.py"); keys["deepseek"] != true) \
  GTEST_SKIP() << "transformers is " << keys["version"] << ", which has no DeepSeek-V3"

TEST(PythonInterop, WhatAClassComputesOpensAsThatClass) {
  LOOKBACK_NEEDS_STOCK_MODELS();
  auto base = built_in_llama_config("smoke");
  base.hidden_size = 48;
  base.num_attention_heads = base.num_key_value_heads = 4;
  base.head_dim = 12;
  base.max_position_embeddings = 64;
  const json yarn{{"rope_type", "yarn"},
                  {"factor", 4.0},
                  {"original_max_position_embeddings", 16},
                  {"mscale", 0.8},
                  {"mscale_all_dim", 0.6}};
  const json latent{{"type", "mla"},         {"q_lora_rank", 10},     {"kv_lora_rank", 8},
                    {"qk_nope_head_dim", 6}, {"qk_rope_head_dim", 4}, {"v_head_dim", 5}};
  const json window{{"sliding_window", 5}}, norm = "rms_norm_per_head";
  const std::map<string, json> keys = {
      {"MistralForCausalLM", {{"attention_mechanism", {{"pattern", window}}}}},
      {"Qwen2ForCausalLM",
       {{"attention_bias", true},
        {"attention_mechanism", {{"attention_out_bias", false}, {"pattern", window}}},
        {"layer_types",
         {"full_attention", "sliding_attention", "full_attention", "sliding_attention"}}}},
      {"Qwen3ForCausalLM",
       {{"attention_bias", true}, {"attention_mechanism", {{"qk_norm", norm}}}}},
      {"DeepseekV2ForCausalLM", {{"mlp_bias", true}, {"attention_mechanism", latent}}},
      {"DeepseekV3ForCausalLM", {{"attention_mechanism", latent}, {"rope_scaling", yarn}}}};
  for (const auto& [architecture, each] : keys) {
    auto object = json::parse(to_json(base));
    object.update(each);
    const Llama llama(parse_llama_config(object.dump(), architecture), precision_of(DType::f32));
    initialize(llama.parameters(), 0.2, 5);
    const TemporaryDirectory folder;
    save_model(llama, folder.path());
    const auto opened = opened_by_transformers(folder.path(), DType::f32);
    EXPECT_EQ(opened["class"], architecture);
    expect_same_model(opened, "float32");
  }
}

TEST(PythonInterop, StockModelsEvaluateToTheirLoss) {
  LOOKBACK_NEEDS_STOCK_MODELS();
  const TemporaryDirectory scratch;
  const auto text = scratch.path() / "text.txt";
  string words;
  for (int i = 0; i < 150; ++i) words += std::to_string(i * i) + (i % 7 == 0 ? ".\n" : " sheep ");
  write_text(text, words);
  const string latent =
      R"("num_key_value_heads": 4, "q_lora_rank": 10, "kv_lora_rank": 8, "qk_nope_head_dim": 6,
         "qk_rope_head_dim": 4, "v_head_dim": 5, "first_k_dense_replace": 2)";
  const std::vector<string> options = {
      R"({"model_type": "mistral", "sliding_window": 9})",
      R"({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 9,
          "max_window_layers": 1})",
      R"({"model_type": "qwen3", "head_dim": 6, "tie_word_embeddings": true})",
      R"({"model_type": "deepseek_v2", )" + latent + "}",
      R"({"model_type": "deepseek_v3", )" + latent + "}"};
  for (const auto& each : options) {
    const TemporaryDirectory folder;
    const auto theirs = run_python("save_folder.py", {folder.path(), text, "64", each});
    const auto ours = run_lookback({"eval", folder.path(), "--data", text, "--json"});
    ASSERT_EQ(ours.code, 0) << each << ours.err;
    EXPECT_NEAR(json::parse(ours.out)["loss"].get<double>(), theirs["loss"].get<double>(), 1e-5)
        << each;
    // Trained on and saved it is a model of that class again.
    const auto next = scratch.path() / "next";
    const auto trained =
        run_lookback({"train", "--init-from", folder.path(), "--data", text, "--block-size", "32",
                      "--max-steps", "2", "--output-dir", next, "--quiet", "--overwrite"});
    ASSERT_EQ(trained.code, 0) << each << trained.err;
    const auto opened = opened_by_transformers(next, DType::f32);
    EXPECT_EQ(json::parse(read_text(next / "config.json"))["model_type"],
              json::parse(each)["model_type"]);
    expect_same_model(opened, "float32");
    const auto generated =
        run_lookback({"generate", next, "--prompt", "12", "--max-new-tokens=20"});
    EXPECT_EQ(generated.code, 0) << generated.err;
  }
}

TEST(PythonInterop, AFolderOfTransformersEvaluatesToItsLoss) {
  LOOKBACK_NEEDS_PYTHON();
  const TemporaryDirectory scratch;
  const auto text = scratch.path() / "text.txt";
  string words;
  for (int i = 0; i < 150; ++i) words += std::to_string(i * i) + (i % 7 == 0 ? ".\n" : " sheep ");
  write_text(text, words);
  const std::vector<string> options = {
      "{}",
      R"({"tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true, "head_dim": 6})",
      R"({"num_key_value_heads": 4, "rope_scaling": {"rope_type": "linear", "factor": 2.0}})",
      R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 16}})",
      R"({"float16": true})"};
  for (const auto& each : options) {
    const TemporaryDirectory folder;
    const auto theirs = run_python("save_folder.py", {folder.path(), text, "64", each});
    const auto ours = run_lookback({"eval", folder.path(), "--data", text, "--json"});
    ASSERT_EQ(ours.code, 0) << ours.err;
    const auto result = json::parse(ours.out);
    EXPECT_EQ(result["tokens"], theirs["tokens"]);
    EXPECT_NEAR(result["loss"].get<double>(), theirs["loss"].get<double>(), 1e-5) << each;
    EXPECT_NEAR(result["accuracy"].get<double>(), theirs["accuracy"].get<double>(), 1e-3) << each;
  }
}

TEST(PythonInterop, IgnoredKeysAndDefaultsAreThoseOfTransformers) {
  LOOKBACK_NEEDS_PYTHON();
  const auto keys = run_python("config_keys.py");
  if (keys["version"] != "4.47.1")
    GTEST_SKIP() << "transformers is " << keys["version"] << ", the list of 4.47.1";
  std::vector<string> expected = {"use_cache", "dtype"},
                      listed(ignored_config_keys.begin(), ignored_config_keys.end());
  for (const string key : keys["every_model"]) {
    if (!key.starts_with('_') && key != "tie_word_embeddings") expected.push_back(key);
  }
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(expected));
  auto config = parse_llama_config(keys["llama"].dump(), "LlamaConfig()");
  config.carried.clear();
  EXPECT_EQ(config, LlamaConfig{});
}

// Files with a few bytes changed: nothing is taken here that the official reader refuses, and what
// only we refuse is what we refuse on purpose.
TEST(PythonInterop, HeadersAreReadAsStrictlyAsByTheOfficialReader) {
  LOOKBACK_NEEDS_PYTHON();
  const TemporaryDirectory scratch;
  const auto good = scratch.path() / "good";
  write_safetensors(good, {{"a", zeros({2, 3}, DType::f32)},
                           {"b", zeros({}, DType::i64)},
                           {"c", zeros({0, 4}, DType::u8)}});
  const auto bytes = read_text(good);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::map<string, string> refused = {{"good", ""}};
  constexpr std::string_view alphabet = "0123456789,[]{}:\" abFI_-.e";
  for (int trial = 0; trial < 3000; ++trial) {
    RandomStream random(23, static_cast<std::uint64_t>(trial));
    auto changed = bytes;
    for (auto flips = 1 + random.below(2); flips > 0; --flips) {
      changed[8 + random.below(header)] = alphabet[random.below(alphabet.size())];
    }
    const auto path = scratch.path() / std::to_string(trial);
    write_text(path, changed);
    auto& reason = refused[path.filename()];
    try {
      SafetensorsFile::open(path);
    } catch (const Error& error) {
      reason = error.what();
    }
  }
  int taken = 0;
  const auto official = run_python("open_safetensors.py", {scratch.path()});
  for (const auto& [name, reason] : refused) {
    taken += reason.empty() ? 1 : 0;
    if (official[name] == reason.empty()) continue;
    EXPECT_THAT(reason, testing::AnyOf(testing::HasSubstr("stands twice")))
        << name << read_text(scratch.path() / name);
  }
  EXPECT_GT(taken, 20);
  EXPECT_LT(taken, 2000);
}

}  // namespace
}  // namespace lookback::tests
