// Which weight held the number that is none, where a product reads several at once.
#include "apps/train/non_finite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

std::string found_with_nan_in(std::string_view name, DType dtype) {
  const auto llama = make_llama(small_config(), dtype);
  for (const auto& parameter : llama->parameters()) {
    if (parameter.name != name) continue;
    parameter.tensor.elements<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  }
  const std::vector<std::int64_t> tokens{1, 2, 3, 4, 5, 6};
  return first_non_finite(*llama, {{.rows = 1, .columns = 6, .inputs = tokens, .targets = tokens}});
}

TEST(NonFinite, NamesTheWeightThatHeldIt) {
  for (const auto dtype : {DType::f32, DType::bf16}) {
    for (const std::string name :
         {"model.layers.0.input_layernorm.weight", "model.layers.0.self_attn.q_proj.weight",
          "model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.v_proj.weight",
          "model.layers.0.self_attn.o_proj.weight", "model.layers.1.mlp.gate_proj.weight",
          "model.layers.1.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight",
          "model.norm.weight", "lm_head.weight"}) {
      EXPECT_THAT(found_with_nan_in(name, dtype), ::testing::HasSubstr(" (" + name + " held nan)"));
    }
  }
}

}  // namespace
}  // namespace lookback::testing
