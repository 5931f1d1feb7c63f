#include "nn/llama/llama.h"

#include <gtest/gtest.h>

#include <set>

#include "autograd/grad_mode.h"
#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "kernels/fill.h"
#include "nn/llama/generate.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

// Every way the plain Llama can be shaped.
std::vector<LlamaConfig> configs() {
  std::vector<LlamaConfig> all(7, small_config());
  all[1].num_key_value_heads = 4;
  all[2].num_key_value_heads = 1;
  all[3].tie_word_embeddings = true;
  all[4].attention_bias = all[4].mlp_bias = true;
  all[5].head_dim = 6;
  all[6].rope_scaling = {.kind = RopeScaling::Kind::linear, .factor = 2};
  return all;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto left = to_doubles(a);
  const auto right = to_doubles(b);
  EXPECT_EQ(left.size(), right.size());
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    largest = std::max(largest, std::fabs(left[i] - right[i]));
  return largest;
}

TEST(Llama, NamesItsParametersAsHuggingFaceDoes) {
  auto config = small_config();
  config.num_hidden_layers = 1;
  config.attention_bias = config.mlp_bias = true;
  std::set<std::string> names;
  for (const auto& parameter : make_llama(config)->parameters()) names.insert(parameter.name);
  std::set<std::string> expected{"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
                                 "model.layers.0.input_layernorm.weight",
                                 "model.layers.0.post_attention_layernorm.weight"};
  for (const auto* kind : {"weight", "bias"}) {
    for (const auto* proj : {"q", "k", "v", "o"}) {
      expected.insert(std::string("model.layers.0.self_attn.") + proj + "_proj." + kind);
    }
    for (const auto* proj : {"gate", "up", "down"}) {
      expected.insert(std::string("model.layers.0.mlp.") + proj + "_proj." + kind);
    }
  }
  EXPECT_EQ(names, expected);
}

TEST(Llama, EveryGradientPassesTheCheck) {
  for (auto config : configs()) {
    config.vocab_size = 5;
    config.intermediate_size = 6;
    const auto llama = make_llama(config);
    const auto ids = some_ids(2, 4, config.vocab_size);
    const auto targets = next_token_targets(ids);
    std::vector<Tensor> parameters;
    for (const auto& parameter : llama->parameters()) parameters.push_back(parameter.tensor);
    const auto loss = [&](const Inputs&) { return llama->loss(ids, targets).loss_sum; };
    const auto result = gradcheck(loss, parameters);
    EXPECT_TRUE(result.passed) << result.message;
  }
}

TEST(Llama, BothAttentionPathsAgree) {
  for (const auto& config : configs()) {
    const auto llama = make_llama(config);
    const auto ids = some_ids(2, 9, config.vocab_size);
    Trace trace;
    const auto streaming = llama->logits(ids);
    const auto explicit_weights =
        llama->logits(ids, {.attention = AttentionPath::explicit_weights, .trace = &trace});
    EXPECT_LT(largest_difference(streaming, explicit_weights), 1e-12);
    ASSERT_EQ(trace.attention_weights.size(), 2u);
    ASSERT_EQ(trace.hidden_states.size(), 3u);
    EXPECT_EQ(trace.attention_weights[1].shape(), (Shape{2, 4, 9, 9}));
  }
}

TEST(Llama, StreamingTracesTheSameWeights) {
  const auto llama = make_llama(small_config());
  const auto ids = some_ids(1, 7, 13);
  Trace streaming, explicit_weights;
  llama->logits(ids, {.trace = &streaming});
  llama->logits(ids, {.attention = AttentionPath::explicit_weights, .trace = &explicit_weights});
  EXPECT_LT(
      largest_difference(streaming.attention_weights[1], explicit_weights.attention_weights[1]),
      1e-12);
}

TEST(Llama, LooksAtNothingAhead) {
  for (const auto dtype : {DType::f64, DType::f32}) {
    const auto config = small_config();
    const auto llama = make_llama(config, dtype);
    constexpr std::int64_t tokens = 12;
    const auto before = to_doubles(llama->logits(some_ids(1, tokens, config.vocab_size)));
    for (std::int64_t cut = 0; cut < tokens; ++cut) {
      const auto ids = some_ids(1, tokens, config.vocab_size);
      for (auto t = cut + 1; t < tokens; ++t) {
        auto& id = ids.data<std::int64_t>()[t];
        id = (id + 1) % config.vocab_size;
      }
      const auto after = to_doubles(llama->logits(ids));
      for (std::size_t i = 0; i < static_cast<std::size_t>((cut + 1) * config.vocab_size); ++i) {
        ASSERT_EQ(before[i], after[i]) << "cut " << cut;
      }
      if (cut + 1 < tokens) {
        EXPECT_NE(before, after);
      }
    }
  }
}

TEST(Llama, WithoutOutputProjectionsOnlyTheTokenItselfCounts) {
  const auto config = small_config();
  const auto llama = make_llama(config);
  for (const auto& parameter : llama->parameters()) {
    const bool output = parameter.name.find("o_proj") != std::string::npos ||
                        parameter.name.find("down_proj") != std::string::npos;
    if (output) kernels::fill(Backend::cpu, {.y = parameter.tensor, .value = 0});
  }
  const std::vector<std::int64_t> ids{3, 5, 3, 1, 3};
  const auto logits = to_doubles(llama->logits(from_values(ids, {1, 5})));
  for (std::size_t v = 0; v < 13; ++v) {
    EXPECT_EQ(logits[v], logits[2 * 13 + v]);
    EXPECT_EQ(logits[v], logits[4 * 13 + v]);
  }
}

TEST(Llama, CachedDecodingEqualsTheFullForward) {
  for (const auto& config : configs()) {
    const auto llama = make_llama(config);
    const NoGrad no_grad;
    const auto ids = some_ids(2, 11, config.vocab_size);
    const auto full = llama->logits(ids);
    KeyValueCache cache(2, 11, DType::f64);
    for (std::int64_t begin = 0, step = 1; begin < 11; begin += step, ++step) {
      const auto length = std::min<std::int64_t>(step, 11 - begin);
      const auto part = empty({2, length}, DType::i64);
      for (std::int64_t b = 0; b < 2; ++b) {
        for (std::int64_t t = 0; t < length; ++t) {
          part.data<std::int64_t>()[b * length + t] = ids.data<std::int64_t>()[b * 11 + begin + t];
        }
      }
      const auto logits = llama->logits(part, {.cache = &cache});
      const auto expected = full.alias(logits.shape(), full.strides(), begin * config.vocab_size);
      EXPECT_LT(largest_difference(logits, expected), 1e-12);
    }
  }
}

TEST(Llama, GeneratesTheSameTokensWithAndWithoutACache) {
  for (const auto& config : configs()) {
    const auto llama = make_llama(config);
    GenerationOptions options{.max_new_tokens = 20, .sampling = {.temperature = 0}};
    const auto cached = generate(*llama, {1, 2, 3}, options);
    options.caching = Caching::none;
    const auto full = generate(*llama, {1, 2, 3}, options);
    EXPECT_EQ(cached.tokens, full.tokens);
    const auto per_layer =
        static_cast<std::size_t>(2 * config.num_key_value_heads * config.head_dim * 8);
    EXPECT_EQ(cached.cache_bytes_per_token, 2 * per_layer);
  }
}

TEST(Llama, RefusesSequencesLongerThanItsPositions) {
  const auto llama = make_llama(small_config());
  EXPECT_THROW(llama->logits(some_ids(1, 33, 13)), Error);
  const auto outside = from_values(std::vector<std::int64_t>{1, 13}, {1, 2});
  EXPECT_THROW(llama->logits(outside), Error) << "token 13 is not in the vocabulary";
  EXPECT_THROW(generate(*llama, {1}, {.max_new_tokens = 32}), Error);
  EXPECT_THROW(generate(*llama, {}, {}), Error);
}

TEST(Llama, RecordsNothing) {
  const auto llama = make_llama(small_config());
  for (const auto& layer : llama->model.layers) EXPECT_FALSE(layer->needs().any());
}

}  // namespace
}  // namespace lookback::testing
