// Model folders as other programs leave them: in several files, under other names, in formats that
// cannot be read, or not there at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/safetensors.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::string lfs_pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 2200119864\n";

class ModelFiles : public ::testing::Test {
 protected:
  ModelFiles() {
    fs::create_directory(folder());
    copy("config.json");
    copy("model.safetensors");
  }

  static fs::path source() { return source_directory() / "tests" / "apps" / "field_models"; }
  fs::path folder() const { return directory_.path() / "model"; }
  fs::path weights() const { return folder() / "model.safetensors"; }
  fs::path out() const { return directory_.path() / "out"; }
  void copy(const std::string& name) const { fs::copy_file(source() / name, folder() / name); }
  void write(const std::string& name, const std::string& text) const {
    write_text(folder() / name, text);
  }
  // In place of model.safetensors.
  void holds(const std::string& name, const std::string& text = "x") const {
    fs::remove(weights());
    write(name, text);
  }

  void set(const Json& keys) const {
    auto config = Json::parse(read_text(folder() / "config.json"));
    for (const auto& [key, value] : keys.items()) config[key] = value;
    if (keys.contains("rope_parameters")) config.erase("rope_theta");
    write("config.json", config.dump());
  }

  // The weights, each under the name that `name` makes; "": left out.
  template <class Name>
  void rename(const Name& name) const {
    NamedTensors tensors;
    const auto file = SafetensorsFile::open(source() / "model.safetensors");
    for (const auto& each : file.names()) {
      if (const auto other = name(each); !other.empty())
        tensors.emplace_back(other, file.load(each));
    }
    write_safetensors(weights(), tensors);
  }

  // Into that many files and an index.
  void cut(std::size_t count) const {
    const auto file = SafetensorsFile::open(source() / "model.safetensors");
    std::vector<NamedTensors> parts(count);
    Json map;
    std::size_t i = 0;
    for (const auto& name : file.names()) {
      map[name] = part(i % count);
      parts[i++ % count].emplace_back(name, file.load(name));
    }
    for (i = 0; i < count; ++i) write_safetensors(folder() / part(i), parts[i]);
    fs::remove(weights());
    write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  }
  static std::string part(std::size_t i) { return fmt::format("part-{}.safetensors", i); }

  ProgramResult eval(const fs::path& model) const {
    return run_lookback({"eval", model, "--data", source() / "tokens.bin", "--block-size=60",
                         "--dtype=float64", "--threads=1", "--json"});
  }
  double loss(const fs::path& model) const {
    const auto result = eval(model);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out, nullptr, false).value("loss", 0.0);
  }
  void expect_refused(const std::string& text) const { expect_error(eval(folder()), 1, text); }
  ProgramResult convert(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"convert", folder(), "--output-dir", out()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments);
  }

  // transformers' loss of these weights, in f64.
  static constexpr double expected_ = 5.978642661951253, with_llama3_rope_ = 5.992980827691365;
  const TemporaryDirectory directory_;
};

TEST_F(ModelFiles, OfTransformersFiveHaveItsLoss) {
  EXPECT_NEAR(loss(folder()), expected_, 1e-6);
  set({{"dtype", "float16"}, {"rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "default"}}}});
  EXPECT_NEAR(loss(folder()), expected_, 1e-6);
  set({{"rope_parameters",
        {{"rope_theta", 500000.0},
         {"rope_type", "llama3"},
         {"factor", 8.0},
         {"low_freq_factor", 1.0},
         {"high_freq_factor", 4.0},
         {"original_max_position_embeddings", 32}}}});
  EXPECT_NEAR(loss(folder()), with_llama3_rope_, 1e-6);
}

TEST_F(ModelFiles, SeveralAreReadAsOne) {
  for (const std::size_t count : {1U, 2U, 5U}) {
    cut(count);
    EXPECT_NEAR(loss(folder()), expected_, 1e-6);
  }
  const auto trained =
      run_lookback({"train", "--init-from", folder(), "--data", source() / "tokens.bin",
                    "--block-size=16", "--max-steps=1", "--output-dir", out(), "--quiet"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  fs::remove_all(out());
  ASSERT_EQ(convert().code, 0);
  EXPECT_NEAR(loss(out()), expected_, 1e-6);
  EXPECT_TRUE(exists(out() / "lookback-checksums.json"));
  EXPECT_FALSE(exists(out() / "model.safetensors.index.json"));
}

TEST_F(ModelFiles, ConvertKeepsWhatIsBesideAndTheFormatThatIsAskedFor) {
  write("generation_config.json", R"({"eos_token_id": 7})");
  ASSERT_EQ(convert({"--dtype=bfloat16"}).code, 0);
  EXPECT_EQ(read_text(out() / "generation_config.json"), R"({"eos_token_id": 7})");
  const auto file = SafetensorsFile::open(out() / "model.safetensors");
  for (const auto& name : file.names()) EXPECT_EQ(file.info(name).dtype, "BF16");
  EXPECT_EQ(Json::parse(read_text(out() / "config.json"))["torch_dtype"], "bfloat16");
  EXPECT_NEAR(loss(out()), expected_, 1e-2);
  fs::remove_all(out());
  ASSERT_EQ(convert({"--dtype=float64"}).code, 0);
  EXPECT_NEAR(loss(out()), expected_, 1e-6);
}

TEST_F(ModelFiles, AnIndexThatDoesNotFitIsRefused) {
  cut(3);
  const auto index = folder() / "model.safetensors.index.json";
  const auto whole = read_text(index);
  fs::rename(folder() / part(1), directory_.path() / part(1));
  expect_refused("1 of the 3 files that it names are not there: part-1.safetensors");
  fs::rename(directory_.path() / part(1), folder() / part(1));
  const auto changed = [&](const std::string& key, const Json& value) {
    auto object = Json::parse(whole);
    object["weight_map"][key] = value;
    write_text(index, object.dump());
  };
  changed("model.norm.weight", "../x.safetensors");
  expect_refused("must be the name of a file beside the index");
  changed("model.norm.weight", 3);
  expect_refused("must be the name of a file beside the index");
  changed("model.other.weight", part(0));
  expect_refused("names 1 tensors that are not where it says: model.other.weight in part-0");
  write_text(index, "{}");
  expect_refused("must have a weight_map");
  write_text(index, "{\"weight_map\"");
  expect_refused("parse error");
  write_text(index, lfs_pointer);
  expect_refused("is a Git LFS pointer");
  write_text(index, whole);
  write(part(0), lfs_pointer);
  expect_refused("part-0.safetensors: is a Git LFS pointer");
  fs::copy_file(folder() / part(1), folder() / part(0), fs::copy_options::overwrite_existing);
  expect_refused("not where it says");
}

TEST_F(ModelFiles, ATensorInTwoFilesIsRefused) {
  cut(2);
  const auto file = SafetensorsFile::open(source() / "model.safetensors");
  NamedTensors all;
  for (const auto& name : file.names()) all.emplace_back(name, file.load(name));
  write_safetensors(folder() / part(0), all);
  expect_refused("it must be in one of them");
}

TEST_F(ModelFiles, NamesAroundTheNamesAreSaidOnceAndComeOff) {
  const std::map<std::string, std::string> prefixes{
      {"_orig_mod.", "all 12 names begin with _orig_mod. (torch.compile): lookback convert "},
      {"module.", "all 12 names begin with module. (DistributedDataParallel): lookback"},
      {"base_model.model.", "all 12 names begin with base_model.model. (PEFT): lookback"},
      {"module._orig_mod.", "all 12 names begin with module._orig_mod. ("},
      {"policy.net.", "all 12 names begin with policy.net.: lookback convert"}};
  for (const auto& [prefix, said] : prefixes) {
    rename([&](const std::string& name) { return prefix + name; });
    const auto refused = eval(folder());
    expect_error(refused, 1, "model.safetensors: " + said);
    EXPECT_THAT(refused.err, HasSubstr("--strip-prefix auto --output-dir OUT"));
    EXPECT_LT(refused.err.size(), 400U) << refused.err;
    expect_error(convert(), 1, said);
    for (const auto& flag : {std::string("auto"), prefix}) {
      const auto converted = convert({"--strip-prefix", flag});
      ASSERT_EQ(converted.code, 0) << converted.err;
      EXPECT_NEAR(loss(out()), expected_, 1e-6) << prefix;
      fs::remove_all(out());
    }
  }
  expect_error(convert({"--strip-prefix", "module."}), 2, "does not begin these names: policy.net");
  rename(
      [](const std::string& name) { return name.starts_with("model.") ? name.substr(6) : name; });
  expect_refused("names lack the model. in front that a Llama with a head has");
  ASSERT_EQ(convert({"--strip-prefix=auto"}).code, 0);
  EXPECT_NEAR(loss(out()), expected_, 1e-6);
}

TEST_F(ModelFiles, AnErrorListsTenNames) {
  set({{"num_hidden_layers", 30}});
  const auto refused = eval(folder());
  expect_error(refused, 1, " and 251 more");
  EXPECT_LT(refused.err.size(), 1000U) << refused.err;
  set({{"num_hidden_layers", 1}});
  rename([](const std::string& name) { return name == "lm_head.weight" ? std::string() : name; });
  expect_refused(
      "missing: lm_head.weight; a model whose head is its embedding says "
      "tie_word_embeddings");
}

TEST_F(ModelFiles, WhatAFileHoldsInsteadIsSaid) {
  const std::vector<std::pair<std::string, std::string>> contents{
      {lfs_pointer, "is a Git LFS pointer, not the file itself: run git lfs pull"},
      {"\n<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"},
      {"<html><head></head></html>", "is a web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "is a web page"},
      {"{\"error\": \"Repository not found\"}", "is an error message of a server"},
      {std::string("PK\x03\x04\0\0\x08\x08\0\0\0\0", 12), "is a pickle of PyTorch"},
      {std::string("PK\x03\x04\x14\0\0\0\0\0\0\0", 12), "is a pickle of PyTorch"},
      {std::string("\x80\x02}q\0.", 6), "is a pickle of PyTorch"},
      {std::string("GGUF\x03\0\0\0\x10\0\0\0", 12), "is a GGUF file of llama.cpp"},
      {std::string("\x1f\x8b\x08\0\0\0\0\0\0", 9), "is compressed"},
      {"", "has 0 bytes"}};
  for (const auto& [text, said] : contents) {
    write("model.safetensors", text);
    expect_refused("model.safetensors: " + said);
  }
  write("config.json", lfs_pointer);
  expect_refused("config.json: is a Git LFS pointer");
  write("config.json", "<html>");
  expect_refused("config.json: is a web page");
}

TEST_F(ModelFiles, WhatAFolderHoldsInsteadIsSaid) {
  const auto refused = [&](const std::string& name, const std::string& said) {
    holds(name);
    expect_refused(said);
    fs::remove(folder() / name);
  };
  refused("pytorch_model.bin",
          "holds pytorch_model.bin, pickles of PyTorch, which can run code and are not read: "
          "python3 -c \"import transformers as t; t.AutoModelForCausalLM.from_pretrained('");
  refused("pytorch_model-00001-of-00002.bin", "pickles of PyTorch");
  refused("model.pt", "holds model.pt, pickles of PyTorch");
  refused("model.gguf", "holds model.gguf, a GGUF file");
  refused("tf_model.h5", "weights of TensorFlow");
  refused("flax_model.msgpack", "weights of Flax");
  refused("training_args.bin", "no weights are there");
  refused("train.bin", "no weights are there");
  refused("gptq_model-4bit-128g.safetensors",
          "has no model.safetensors and no model.safetensors.index.json, which says what is in");
  write("params.json", "{}");
  refused("consolidated.00.pth", "llama.convert_llama_weights_to_hf");
  holds("adapter_config.json", R"({"base_model_name_or_path": "meta-llama/Llama-2-7b-hf"})");
  write("adapter_model.safetensors", "x");
  expect_refused("holds an adapter for \"meta-llama/Llama-2-7b-hf\", which is no model by itself");
  write("adapter_config.json", "garbage");
  expect_refused("holds an adapter for its base model");
  fs::remove(folder() / "config.json");
  expect_refused("holds an adapter for its base model");
  expect_error(run_lookback({"train", "--config", folder(), "--data", source() / "tokens.bin",
                             "--output-dir", out()}),
               1, "holds an adapter for its base model");
}

TEST_F(ModelFiles, QuantizedAndAdaptedWeightsAreCalledSo) {
  const auto named = [&](const std::string& ending, const std::string& said) {
    rename([&](const std::string& name) {
      const auto at = name.find("q_proj.weight");
      return at == name.npos ? name : name.substr(0, at + 6) + ending;
    });
    expect_refused("holds " + said);
  };
  named(".qweight", "quantized weights (GPTQ or AWQ)");
  named(".weight.absmax", "quantized weights (bitsandbytes)");
  named(".weight_packed", "quantized weights (compressed-tensors)");
  named(".attention.wq.weight", "weights in Meta's or Mistral's own format");
  named(".lora_A.weight", "an adapter beside its model");
  set({{"quantization_config", {{"quant_method", "awq"}, {"bits", 4}}}});
  expect_refused("the weights are quantized (AWQ, 4 bits)");
}

// Full on the way: nothing of it is there, and what was is as it was.
TEST_F(ModelFiles, ConvertIsWholeOrNotAtAll) {
  cut(2);
  const auto result =
      run_lookback({"convert", folder(), "--output-dir", out()}, {.largest_file_bytes = 4096});
  EXPECT_EQ(result.code, 1);
  EXPECT_FALSE(exists(out()));
  EXPECT_NEAR(loss(folder()), expected_, 1e-6);
  expect_error(run_lookback({"convert", folder(), "--output-dir", folder(), "--quiet"}), 1,
               "is there already: choose a new folder");
}

}  // namespace
}  // namespace lookback::tests
