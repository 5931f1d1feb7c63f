// Decoding with caches equals running the whole sequence, for every variant.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "autograd/grad_mode.h"
#include "nn/llama/generate.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/variants.h"
#include "tests/nn/variants_by_scale.h"

namespace lookback::testing {
namespace {

constexpr double tolerance = 1e-12;

Tensor tokens_of(const Tensor& ids, std::int64_t begin, std::int64_t end) {
  const auto part = empty({ids.size(0), end - begin}, DType::i64);
  for (std::int64_t b = 0; b < ids.size(0); ++b) {
    std::copy_n(ids.data<std::int64_t>() + b * ids.size(1) + begin, end - begin,
                part.data<std::int64_t>() + b * (end - begin));
  }
  return part;
}

// Keys and values of every layer; where layers are recomputed, also the values of each layer on
// every later layer's input.
std::size_t cache_bytes_of(const LlamaConfig& config) {
  const auto layers = config.num_hidden_layers;
  const bool recomputes = reruns_layers(config);
  const auto rows = 2 * layers + (recomputes ? layers * (layers - 1) / 2 : 0);
  return static_cast<std::size_t>(rows * config.num_key_value_heads * config.head_dim * 8);
}

// A prompt of four tokens, another piece of two, then token by token.
void decode(const Variant& variant, AttentionPath path) {
  const auto& [name, config] = variant;
  constexpr std::int64_t length = 10;
  const auto llama = make_variant(config);
  const NoGrad no_grad;
  const auto ids = some_ids(2, length, config.vocab_size);
  const auto full = llama->logits(ids, {.attention = path});
  const double largest = std::max(1.0, largest_element(full));
  KeyValueCache cache(2, length, DType::f64);
  for (std::int64_t begin = 0, end = 4; begin < length; begin = end, end += begin == 4 ? 2 : 1) {
    const auto logits =
        llama->logits(tokens_of(ids, begin, end), {.attention = path, .cache = &cache});
    const auto expected = full.alias(logits.shape(), full.strides(), begin * config.vocab_size);
    EXPECT_LT(largest_difference(logits, expected), tolerance * largest) << name << " " << begin;
  }
  if (config.attention.empty()) {
    EXPECT_EQ(cache.bytes_per_token(), cache_bytes_of(config)) << name;
  }
}

TEST_P(VariantsByScale, CachedDecodingEqualsTheFullForward) {
  const OneThread one_thread;
  auto base = small_config();
  base.num_hidden_layers = 4;
  std::size_t i = 0;
  for (const auto& [name, config] : variants_with_scale(base, GetParam())) {
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      decode({name, shaped(config, i)}, path);
    }
    ++i;
  }
}

TEST(VariantDecoding, EveryPresetGeneratesTheSameTokensWithAndWithoutACache) {
  const OneThread one_thread;
  std::set<std::vector<std::int64_t>> different;
  for (const auto& [name, config] : healthy_presets(small_config())) {
    const auto llama = make_variant(config);
    GenerationOptions options{.max_new_tokens = 12, .sampling = {.temperature = 0}};
    const auto cached = generate(*llama, {1, 2, 3}, options);
    if (config.attention.empty()) {
      EXPECT_EQ(cached.cache_bytes_per_token, cache_bytes_of(config)) << name;
    }
    options.caching = Caching::none;
    EXPECT_EQ(generate(*llama, {1, 2, 3}, options).tokens, cached.tokens) << name;
    different.insert(cached.tokens);
  }
  EXPECT_GT(different.size(), 3u) << "presets that all say the same show nothing";
}

}  // namespace
}  // namespace lookback::testing
