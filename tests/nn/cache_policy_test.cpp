// Caches that drop tokens: what they hold, and what they equal at the ends of their budgets.
// tests/golden has their logits (decode-*.safetensors).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "nn/layer/bounded_attention.h"
#include "nn/llama/generate.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Kind = CachePolicy::Kind;

constexpr std::int64_t tokens = 12;

// A model that reads `prompt` tokens at once and the rest one by one.
struct Decoded {
  Tensor logits;  // [B, T, V]
  Tensor kept;    // of the last layer, [B, G, n]
  std::size_t bytes_per_token = 0, bytes_per_sequence = 0;
};
Decoded decode(const Llama& llama, const CachePolicy& policy, std::int64_t prompt = 1) {
  const NoGrad no_grad;
  const auto ids = some_ids(2, tokens, 13);
  KeyValueCache cache(2, tokens, DType::f64, policy);
  std::vector<Tensor> logits;
  for (std::int64_t begin = 0, end = prompt; begin < tokens; begin = end++) {
    logits.push_back(llama.logits(slice(ids, 1, begin, end), {.cache = &cache}));
  }
  return {cat(logits, 1), cache.kept(1), cache.bytes_per_token(), cache.bytes_per_sequence()};
}

std::unique_ptr<Llama> model_with(const Json& attention, const Json& more = Json::object()) {
  return make_variant(with_attention(attention, more));
}

Tensor logits_of(const Llama& llama) { return llama.logits(some_ids(2, tokens, 13)); }

const std::vector<Json> options{Json::object(),
                                {{"position_embedding_type", "alibi"}},
                                {{"position_embedding_type", "none"}, {"clip_qkv", 0.5}},
                                {{"attn_logit_softcapping", 1.5}, {"qk_norm", "rms_norm"}}};

TEST(CachePolicy, ABudgetForAllTokensIsNone) {
  const OneThread one_thread;
  for (const auto& attention : options) {
    const auto llama = model_with(attention, {{"num_key_value_heads", 2}});
    const auto full = logits_of(*llama);
    for (const std::int64_t prompt : {1, 5}) {
      for (const auto& policy :
           {CachePolicy{Kind::streaming_llm, 2, 10, 0}, CachePolicy{Kind::h2o, 0, 4, 8}}) {
        const auto decoded = decode(*llama, policy, prompt);
        EXPECT_LT(largest_difference(decoded.logits, full), 1e-12)
            << attention << name_of(policy.kind);
      }
    }
  }
}

TEST(CachePolicy, TheLastTokensAloneAreAWindow) {
  const OneThread one_thread;
  for (const auto& attention : options) {
    auto windowed = attention;
    const auto window = [&](std::int64_t keys) {
      windowed["pattern"] = {{"sliding_window", keys}};
      return logits_of(*model_with(windowed));
    };
    const auto llama = model_with(attention);
    EXPECT_LT(largest_difference(decode(*llama, {Kind::streaming_llm, 0, 4, 0}).logits, window(4)),
              1e-12)
        << attention;
    EXPECT_LT(largest_difference(decode(*llama, {Kind::h2o, 0, 4, 0}).logits, window(5)), 1e-12)
        << attention;
    EXPECT_GT(largest_difference(decode(*llama, {Kind::h2o, 0, 4, 0}).logits, window(4)), 1e-6);
  }
}

TEST(CachePolicy, TellsWhatItHolds) {
  const auto llama = model_with(Json::object(), {{"num_key_value_heads", 2}});
  const auto streaming = decode(*llama, {Kind::streaming_llm, 2, 3, 0});
  for (std::int64_t i = 0; i < 2 * 2; ++i) {
    const auto held =
        streaming.kept.elements<std::int64_t>().subspan(static_cast<std::size_t>(i * 5), 5);
    EXPECT_THAT(held, ::testing::ElementsAre(0, 1, 9, 10, 11));
  }
  // A token's keys and values of both layers; five tokens.
  EXPECT_EQ(streaming.bytes_per_token, 2u * 2 * 2 * 4 * 8);
  EXPECT_EQ(streaming.bytes_per_sequence, 5 * streaming.bytes_per_token);
  const auto heavy = decode(*llama, {Kind::h2o, 0, 2, 3});
  ASSERT_EQ(heavy.kept.shape(), (Shape{2, 2, 5}));
  const auto held = heavy.kept.elements<std::int64_t>();
  for (std::size_t head = 0; head < 4; ++head) {
    EXPECT_TRUE(std::ranges::is_sorted(held.subspan(head * 5, 5)));
    EXPECT_EQ(held[head * 5 + 3], 10);
    EXPECT_EQ(held[head * 5 + 4], 11);
  }
  EXPECT_EQ(heavy.bytes_per_token, 2u * 2 * (2 * 4 + 1) * 8);
  EXPECT_EQ(heavy.bytes_per_sequence, 6 * heavy.bytes_per_token);
}

std::string refusal_of(const Json& attention, const Json& more = Json::object()) {
  const auto llama = model_with(attention, more);
  try {
    static_cast<void>(
        generate(*llama, {1, 2}, {.max_new_tokens = 2, .cache_policy = {.kind = Kind::h2o}}));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CachePolicy, IsRefusedWhereItCannotBeFollowed) {
  EXPECT_EQ(refusal_of(Json::object()), "");
  EXPECT_THAT(refusal_of({{"pattern", {{"sliding_window", 3}}}}),
              HasSubstr("layer 0 has causal with a pattern"));
  EXPECT_THAT(refusal_of(Json::array({Json::object(), {{"type", "mohsa"}, {"overlap_dim", 1}}})),
              HasSubstr("needs causal attention without a pattern: layer 1 has mohsa"));
  EXPECT_THAT(refusal_of(Json::object(), {{"score_accumulation", {{"scale", "sqrt_dk"}}}}),
              HasSubstr("score_accumulation has scale sqrt_dk"));
  const Json residual{{"site", "mlp"}, {"source", "recomputed"}, {"weights", "sum"}};
  EXPECT_THAT(refusal_of(Json::object(), {{"cross_layer_residual", residual}}),
              HasSubstr("source recomputed runs layers again"));
}

}  // namespace
}  // namespace lookback::testing
