#include "nn/initialize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/autograd/op_case.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

const NamedParameter& find(const std::vector<NamedParameter>& all, const std::string& name) {
  for (const auto& parameter : all) {
    if (parameter.name == name) return parameter;
  }
  throw std::out_of_range(name);
}

TEST(Initialize, DrawsNormalNumbersAndSetsConstants) {
  auto config = small_config();
  config.vocab_size = 4000;
  config.attention_bias = true;
  Llama llama(config, precision_of(DType::f64));
  const auto parameters = llama.parameters();
  initialize(parameters, 0.02, 1);
  const auto draws = to_doubles(find(parameters, "model.embed_tokens.weight").tensor);
  double sum = 0, squares = 0;
  for (const double x : draws) sum += x, squares += x * x;
  const auto count = static_cast<double>(draws.size());
  EXPECT_NEAR(sum / count, 0, 5 * 0.02 / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 5 * 0.02 / std::sqrt(2 * count));
  for (const double x : to_doubles(find(parameters, "model.norm.weight").tensor)) EXPECT_EQ(x, 1);
  for (const double x :
       to_doubles(find(parameters, "model.layers.0.self_attn.q_proj.bias").tensor)) {
    EXPECT_EQ(x, 0);
  }
}

TEST(Initialize, DependsOnSeedAndNameAlone) {
  auto config = small_config();
  const auto one = make_llama(config, DType::f64, 3);
  config.tie_word_embeddings = true;
  config.num_hidden_layers = 1;
  const auto other = make_llama(config, DType::f64, 3);
  const auto reseeded = make_llama(config, DType::f64, 4);
  for (const auto& parameter : other->parameters()) {
    EXPECT_EQ(to_doubles(parameter.tensor),
              to_doubles(find(one->parameters(), parameter.name).tensor));
  }
  const std::string query = "model.layers.0.self_attn.q_proj.weight";
  const std::string key = "model.layers.0.mlp.up_proj.weight";
  EXPECT_NE(to_doubles(find(other->parameters(), query).tensor),
            to_doubles(find(reseeded->parameters(), query).tensor));
  EXPECT_NE(to_doubles(find(other->parameters(), query).tensor)[0],
            to_doubles(find(other->parameters(), key).tensor)[0]);
}

TEST(Initialize, SinglePrecisionRoundsTheSameNumbers) {
  const auto wide = make_llama(small_config(), DType::f64);
  const auto narrow = make_llama(small_config(), DType::f32);
  const auto a = to_doubles(wide->model.embed_tokens.weight);
  const auto b = to_doubles(narrow->model.embed_tokens.weight);
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(static_cast<float>(a[i]), static_cast<float>(b[i]));
}

}  // namespace
}  // namespace lookback::testing
