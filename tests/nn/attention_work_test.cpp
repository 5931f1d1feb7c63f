// What a mechanism says of its multiply-adds: the products that a forward pass runs, counted call
// by call, and the example of docs/mechanisms.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "autograd/grad_mode.h"
#include "autograd/scope.h"
#include "kernels/core/slot.h"
#include "nn/layer/attention_options.h"
#include "tests/nn/attention_config.h"
#include "tests/paths.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;
using kernels::In;
using Inputs = std::vector<In>;

std::int64_t numel(const kernels::Operand& x) { return x.sizes.numel(); }

// Of whole sequences q [B, T, H, K].
std::int64_t pairs(const In& q) { return q.size(0) * q.size(1) * (q.size(1) + 1) / 2; }

// Two products of every pair of tokens: q [B, T, H, K] with k, weights with v [.., V].
std::int64_t of_attention(const Inputs& in) {
  return pairs(in[0]) * in[0].size(2) * (in[0].size(3) + in[2].size(3));
}
// q, k, v, query_mixing [B, T, 2, 2 R + 1, H], key_mixing, and fixed_mixing [2, H, H] where there
// is one: each number of the two mixings, and of the fixed one, is multiplied once for each pair.
std::int64_t of_composed_attention(const Inputs& in) {
  const auto of_position = numel(in[3]) / (in[0].size(0) * in[0].size(1));
  const auto fixed = in[5].sizes.rank() == 3 ? numel(in[5]) : 0;
  return of_attention(in) + pairs(in[0]) * (2 * of_position + fixed);
}
// q [B, T, H, K], k, v [.., V]: into the state and out of it.
std::int64_t of_linear_attention(const Inputs& in) { return 2 * numel(in[0]) * in[2].size(3); }

// Of the attention of the only layer, in a forward pass over `tokens`.
std::int64_t counted(const Llama& llama, std::int64_t tokens) {
  std::int64_t total = 0;
  const NoGrad no_grad;
  const kernels::ObserveKernels observe([&](const auto& slot, const Inputs& in, const auto& out) {
    if (!Scope::current()->starts_with("model.layers.0.self_attn")) return;
    if (slot.name == "matmul_forward" || slot.name == "expert_linear_forward") {
      total += numel(out[0]) * in[0].size(-1);
    } else if (slot.name == "attention_forward") {
      total += of_attention(in);
    } else if (slot.name == "composed_attention_forward") {
      total += of_composed_attention(in);
    } else if (slot.name == "linear_attention_forward") {
      total += of_linear_attention(in);
    }
  });
  llama.logits(some_ids(2, tokens, llama.config.vocab_size));
  return total;
}

TEST(AttentionWork, IsThatOfTheProductsThatRun) {
  const Json one_layer{{"num_hidden_layers", 1}};
  const auto more = [&](Json keys) {
    keys.update(one_layer);
    return keys;
  };
  const Json mla{{"type", "mla"},
                 {"kv_lora_rank", 6},
                 {"qk_nope_head_dim", 5},
                 {"qk_rope_head_dim", 2},
                 {"v_head_dim", 3}};
  auto compressed = mla;
  compressed["q_lora_rank"] = 7;
  const auto moh = [](int shared, const char* router) {
    return Json{{"type", "moh"},
                {"num_shared_heads", shared},
                {"num_selected_heads", 2},
                {"router", router}};
  };
  const std::vector<std::pair<Json, Json>> all{
      {Json::object(), one_layer},
      {Json::object(), more({{"num_key_value_heads", 2}})},
      {mla, one_layer},
      {compressed, one_layer},
      {{{"type", "collaborative"}, {"key_query_dim", 8}}, one_layer},
      {{{"type", "collaborative"}, {"key_query_dim", 8}}, more({{"attention_bias", true}})},
      {{{"type", "mohsa"}, {"overlap_dim", 1}}, one_layer},
      {moh(0, "learned"), one_layer},
      {moh(1, "learned"), one_layer},
      {moh(2, "learned"), more({{"num_key_value_heads", 2}})},
      {moh(1, "query_norm"), one_layer},
      {{{"type", "moa"}, {"num_experts", 5}, {"num_experts_per_tok", 2}},
       more({{"num_key_value_heads", 2}})},
      {{{"type", "dcmha"}}, more({{"num_key_value_heads", 2}})},
      {{{"type", "dcmha"}, {"rank", 3}, {"static_projection", true}}, one_layer},
      {{{"type", "linear"}}, more({{"num_key_value_heads", 2}})}};
  constexpr std::int64_t tokens = 9;
  for (const auto& [attention, keys] : all) {
    const auto llama = make_variant(with_attention(attention, keys));
    const auto work = attention_of(llama->config, 0)->work(llama->config);
    EXPECT_EQ(2 * tokens * work.at((tokens + 1) / 2.0), counted(*llama, tokens))
        << attention << keys;
  }
}

// Every type stands in the test above.
TEST(AttentionWork, OfEveryType) {
  EXPECT_EQ(AttentionTypes::names(),
            (std::vector<std::string>{"causal", "collaborative", "dcmha", "linear", "mla", "moa",
                                      "moh", "mohsa"}));
}

// "1,311; decoding 2,359" -> "1,311"
std::string thousands(double multiply_adds) {
  auto digits = std::to_string(std::llround(multiply_adds / 1000));
  if (digits.size() > 3) digits.insert(digits.size() - 3, ",");
  return digits;
}

// The first two numbers of a row of the example.
std::string row_of(const LlamaConfig& config, std::int64_t keys) {
  const auto work = attention_of(config, 0)->work(config);
  const auto core = work.at(static_cast<double>(keys)) - static_cast<double>(work.projections);
  return thousands(static_cast<double>(work.projections)) + " | " + thousands(core);
}

TEST(AttentionWork, IsTheExampleOfTheDocumentation) {
  LlamaConfig base;
  base.hidden_size = 512;
  base.num_attention_heads = base.num_key_value_heads = 8;
  base.head_dim = 64;
  std::ifstream file(tests::source_directory() / "docs" / "mechanisms.md");
  std::stringstream text;
  text << file.rdbuf();
  struct Row {
    std::string begin, preset;
    std::int64_t key_heads = 8, keys = 1024;
  };
  for (const auto& row : std::vector<Row>{{"`llama`", "llama"},
                                          {"`llama`, G = 2", "llama", 2},
                                          {"`llama`, G = 1", "llama", 1},
                                          {"`mla` (dq 256, dc 128, dn 64, dr 32, dv 64)", "mla"},
                                          {"`collaborative` (K 256)", "collaborative"},
                                          {"`mohsa` (p 16)", "mohsa"},
                                          {"`moh`", "moh"},
                                          {"`moa`, G = 2 (k 4, E 8)", "moa", 2},
                                          {"`dcmha` (R 2)", "dcmha"},
                                          {"`linear`", "linear"},
                                          {"`sliding-window` (S 128)", "sliding-window", 8, 128}}) {
    auto config = base;
    config.num_key_value_heads = row.key_heads;
    config = preset_variant(config, row.preset).config;
    const auto expected = "\n| " + row.begin + " | " + row_of(config, row.keys);
    EXPECT_NE(text.str().find(expected), std::string::npos) << expected;
  }
}

}  // namespace
}  // namespace lookback::testing
