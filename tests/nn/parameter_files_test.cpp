#include "nn/parameter_files.h"

#include <gtest/gtest.h>

#include "tests/autograd/op_case.h"
#include "tests/nn/small_llama.h"
#include "tests/paths.h"

namespace lookback::testing {
namespace {

class ParameterFiles : public ::testing::Test {
 protected:
  const tests::TemporaryDirectory folder_;
  const std::string path_ = folder_.path() / "parameters.safetensors";
};

// What load_parameters says; empty when it is content.
std::string complaint(const Llama& llama, const std::string& path) {
  try {
    load_parameters(llama.parameters(), SafetensorsFile::open(path));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<std::vector<double>> values_of(const Llama& llama) {
  std::vector<std::vector<double>> all;
  for (const auto& parameter : llama.parameters()) all.push_back(to_doubles(parameter.tensor));
  return all;
}

TEST_F(ParameterFiles, RoundTrip) {
  const auto saved = make_llama(small_config(), DType::f32, 1);
  write_safetensors(path_, named_tensors(saved->parameters()));
  const auto loaded = make_llama(small_config(), DType::f32, 2);
  EXPECT_NE(values_of(*saved), values_of(*loaded));
  load_parameters(loaded->parameters(), SafetensorsFile::open(path_));
  EXPECT_EQ(values_of(*saved), values_of(*loaded));
  const auto wide = make_llama(small_config(), DType::f64, 2);
  load_parameters(wide->parameters(), SafetensorsFile::open(path_));
  EXPECT_EQ(values_of(*saved), values_of(*wide));
}

TEST_F(ParameterFiles, AllMisfitsStandInOneErrorAndNothingChanges) {
  auto config = small_config();
  write_safetensors(path_, named_tensors(make_llama(config)->parameters()));
  config.vocab_size = 14;
  config.num_hidden_layers = 1;
  config.attention_bias = true;
  const auto llama = make_llama(config);
  const auto before = values_of(*llama);
  const auto text = complaint(*llama, path_);
  for (const auto* part : {"missing: model.layers.0.self_attn.k_proj.bias",
                           "unexpected: model.layers.1.input_layernorm.weight",
                           "mis-shaped: lm_head.weight is (13, 8), must be (14, 8)",
                           "model.embed_tokens.weight is (13, 8)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
  }
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(values_of(*llama), before);
}

TEST_F(ParameterFiles, ATiedModelTakesAHeadThatIsItsEmbedding) {
  auto config = small_config();
  config.tie_word_embeddings = true;
  const auto llama = make_llama(config);
  NamedTensors tensors;
  for (const auto& parameter : llama->parameters())
    tensors.emplace_back(parameter.name, parameter.tensor);
  tensors.emplace_back("lm_head.weight", llama->model.embed_tokens.weight);
  tensors.emplace_back("model.layers.0.self_attn.rotary_emb.inv_freq", zeros({1}, DType::f32));
  write_safetensors(path_, tensors);
  EXPECT_EQ(complaint(*llama, path_), "");
  const auto other = make_llama(config, DType::f64, 9);
  tensors[tensors.size() - 2].second = other->model.embed_tokens.weight;
  write_safetensors(path_, tensors);
  EXPECT_NE(complaint(*llama, path_).find("tie_word_embeddings"), std::string::npos);
}

}  // namespace
}  // namespace lookback::testing
