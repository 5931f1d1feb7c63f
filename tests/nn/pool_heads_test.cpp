#include "nn/llama/pool_heads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/ops/cast.h"
#include "nn/parameter_files.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/attention_config.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

const std::string path = "model.layers.1.self_attn.";

LlamaConfig model_with(const Json& attention, std::int64_t key_value_heads) {
  return with_attention(attention, {{"num_key_value_heads", key_value_heads}});
}

// Values that tell every element apart.
Tensor numbered(const Shape& shape, DType dtype = DType::f64) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i * i);
  return cast(from_values(values, shape), dtype);
}

// Row by row, in plain loops.
std::vector<double> expected(const Tensor& weight, std::int64_t old_heads, std::int64_t heads,
                             std::int64_t head_dim, PooledHead pooled) {
  const auto values = to_doubles(weight);
  const auto columns = weight.rank() == 1 ? 1 : weight.size(1);
  const auto group = old_heads / heads;
  std::vector<double> result;
  for (std::int64_t row = 0; row < heads * head_dim; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      double mean = 0;
      for (std::int64_t k = 0; k < group; ++k) {
        const auto old_row = (row / head_dim * group + k) * head_dim + row % head_dim;
        const auto value = values[static_cast<std::size_t>(old_row * columns + column)];
        if (pooled == PooledHead::first && k > 0) continue;
        mean += value / static_cast<double>(pooled == PooledHead::first ? 1 : group);
      }
      result.push_back(mean);
    }
  }
  return result;
}

TEST(PoolHeads, MakesAHeadOfItsGroup) {
  const auto config = model_with(nullptr, 4);  // of width 4
  for (const auto pooled : {PooledHead::mean, PooledHead::first}) {
    for (const std::int64_t heads : {1, 2, 4}) {
      for (const auto* name : {"k_proj.weight", "v_proj.weight", "k_proj.bias", "v_proj.bias",
                               "k_ln.weight", "k_ln.bias", "k_norm.weight"}) {
        const bool matrix = std::string(name).find("proj.weight") != std::string::npos;
        const auto weight = numbered(matrix ? Shape{16, 5} : Shape{16});
        const auto result = with_pooled_heads(path + name, weight, config, heads, pooled);
        EXPECT_EQ(to_doubles(result), expected(weight, 4, heads, 4, pooled)) << name << heads;
        EXPECT_EQ(result.size(0), 4 * heads);
      }
    }
  }
}

TEST(PoolHeads, LeavesAllElseAsItIs) {
  const auto config = model_with({{"qk_norm", "rms_norm_per_head"}}, 4);
  for (const auto* name : {"q_proj.weight", "o_proj.weight", "q_ln.weight", "q_norm.weight"}) {
    const auto weight = numbered({16, 5});
    EXPECT_EQ(with_pooled_heads(path + name, weight, config, 2, PooledHead::mean).storage(),
              weight.storage())
        << name;
  }
  const auto per_head = numbered({4});
  EXPECT_EQ(
      to_doubles(with_pooled_heads(path + "k_norm.weight", per_head, config, 2, PooledHead::mean)),
      to_doubles(per_head));
  // In the dtype that it has.
  const auto half = with_pooled_heads(path + "k_proj.weight", numbered({16, 5}, DType::bf16),
                                      config, 2, PooledHead::mean);
  EXPECT_EQ(half.dtype(), DType::bf16);
}

// A model with equal heads in each group computes the same with one of each: no new head differs
// from any of its group.
TEST(PoolHeads, EqualHeadsPooledChangeNothing) {
  for (const Json& attention :
       {Json{{"qk_norm", "layer_norm"}}, Json{{"qk_norm", "rms_norm_per_head"}, {"clip_qkv", 1}},
        Json{{"type", "dcmha"}}}) {
    const auto grouped =
        with_attention(attention, {{"num_key_value_heads", 2}, {"attention_bias", true}});
    auto whole = grouped;
    whole.num_key_value_heads = 4;
    const auto few = make_variant(grouped), many = make_variant(whole);
    // Each of the two heads stands twice.
    std::map<std::string, Tensor> small;
    for (const auto& parameter : few->parameters()) small[parameter.name] = parameter.tensor;
    for (const auto& parameter : many->parameters()) {
      const auto& from = small.at(parameter.name);
      const auto values = to_doubles(from);
      const auto factor = parameter.tensor.numel() / from.numel();
      const auto of_head = from.numel() / 2;
      auto* to = parameter.tensor.data<double>();
      for (std::int64_t i = 0; i < parameter.tensor.numel(); ++i) {
        const auto head = factor == 1 ? 0 : i / of_head / 2;
        to[i] = values[static_cast<std::size_t>(factor == 1 ? i : head * of_head + i % of_head)];
      }
    }
    const auto ids = some_ids(2, 7, grouped.vocab_size);
    const auto before = many->logits(ids);
    // Not those that it was made of: those that pooling gives back.
    for (const auto& parameter : many->parameters()) {
      const auto pooled =
          with_pooled_heads(parameter.name, parameter.tensor, whole, 2, PooledHead::mean);
      EXPECT_EQ(to_doubles(pooled), to_doubles(small.at(parameter.name))) << parameter.name;
    }
    EXPECT_LT(largest_difference(before, few->logits(ids)), 1e-12 * largest_element(before));
  }
}

TEST(PoolHeads, WhatCannotBePooledIsSaid) {
  EXPECT_EQ(reason_against_pooling(model_with(nullptr, 4), 3),
            "must divide num_key_value_heads, 4");
  EXPECT_EQ(reason_against_pooling(model_with(nullptr, 2), 4),
            "must divide num_key_value_heads, 2");
  const Json mohsa{{"type", "mohsa"}, {"overlap_dim", 1}};
  EXPECT_EQ(reason_against_pooling(model_with(Json::array({Json::object(), mohsa}), 4), 2),
            "layer 1 has attention mohsa: only key and value heads of causal, dcmha, linear, moh "
            "can be pooled");
  EXPECT_EQ(reason_against_pooling(model_with(nullptr, 4), 4), "");
}

}  // namespace
}  // namespace lookback::testing
