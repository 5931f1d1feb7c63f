// What a layer with a window keeps while decoding: the positions that a later query sees. Logits
// are those of a cache that keeps all, to the bit where rows are streamed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_pattern.h"
#include "nn/layer/model_hooks.h"
#include "nn/proof/causal_proof.h"
#include "runtime/allocator.h"
#include "runtime/parallel.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t length = 40;  // several rings long

// A model whose caches keep every position.
class WholeCaches final : public ModelHooks {
  CacheReach cache_reach(const CacheReach&) const override { return {}; }
};

LlamaConfig config_of(Json attention, const Json& pattern, Json more = Json::object()) {
  attention["pattern"] = pattern;
  more["max_position_embeddings"] = 64;
  return with_attention(attention, more);
}

struct Decoded {
  Tensor logits;  // [B, T, V]
  std::size_t bytes_per_token = 0, bytes_per_sequence = 0;
};
// In pieces of these sizes, the last of them again and again.
Decoded decode(const Llama& llama, const std::vector<std::int64_t>& pieces,
               ForwardOptions options = {}, std::int64_t tokens = length) {
  const NoGrad no_grad;
  const auto ids = some_ids(2, tokens, 13);
  KeyValueCache cache(2, tokens, attention_dtype(llama.precision, options, ids.device()));
  options.cache = &cache;
  std::vector<Tensor> logits;
  std::size_t i = 0;
  for (std::int64_t begin = 0, end = 0; begin < tokens; begin = end) {
    end = std::min(tokens, begin + pieces[std::min(i++, pieces.size() - 1)]);
    logits.push_back(llama.logits(slice(ids, 1, begin, end), options));
  }
  return {cat(logits, 1), cache.bytes_per_token(), cache.bytes_per_sequence()};
}

// Pieces shorter and longer than a ring of `ring` positions.
std::vector<std::vector<std::int64_t>> ways_to_cut(std::int64_t ring) {
  return {{1},       {2},        {7, 1},      {std::max<std::int64_t>(1, ring - 1)},
          {ring, 1}, {ring + 1}, {3, 17, 1},  {2 * ring + 3, 1, 5},
          {length},  {1, 20, 2}, {length - 1}};
}

std::string described(const LlamaConfig& config, const std::vector<std::int64_t>& pieces,
                      DType dtype, AttentionPath path) {
  return fmt::format("{} {} {} in pieces {}", attention_json(config).dump(), name_of(dtype),
                     path == AttentionPath::streaming ? "streaming" : "explicit",
                     ::testing::PrintToString(pieces));
}

void expect_same(const LlamaConfig& config, std::int64_t ring, DType dtype, AttentionPath path) {
  const auto llama = dtype == DType::bf16 ? make_llama(config, dtype) : make_variant(config, dtype);
  const WholeCaches whole;
  const NoGrad no_grad;
  // Explicit weights and composed heads take whole rows, in parts that count from the first key.
  const bool same_bits =
      path == AttentionPath::streaming && attention_of(config, 0)->type() != "dcmha";
  const auto full = llama->logits(some_ids(2, length, 13), {.attention = path});
  for (const auto& pieces : ways_to_cut(ring)) {
    const auto through_ring = decode(*llama, pieces, {.attention = path});
    const auto through_all = decode(*llama, pieces, {.attention = path, .hooks = &whole});
    EXPECT_LE(largest_difference(through_ring.logits, through_all.logits),
              same_bits ? 0 : 1e-14 * largest_element(full))
        << described(config, pieces, dtype, path);
    if (dtype == DType::f64) {
      EXPECT_LT(largest_difference(through_ring.logits, full), 1e-12 * largest_element(full))
          << described(config, pieces, dtype, path);
    }
    EXPECT_EQ(through_ring.bytes_per_token, through_all.bytes_per_token);
    EXPECT_EQ(through_all.bytes_per_sequence, 0U);
  }
}

struct Case {
  Json pattern;
  std::int64_t ring;
  std::int64_t held;  // at once; 0: everything
};
const std::vector<Case> cases{
    {{{"sliding_window", 1}}, 1, 1},
    {{{"sliding_window", 5}}, 5, 5},
    {{{"sliding_window", 3}, {"dilation", 4}}, 9, 9},
    {{{"sliding_window", 3}, {"dilation", {1, 2, 4, 3}}}, 9, 9},
    {{{"sliding_window", 4}, {"global_tokens", 3}}, 4, 7},
    {{{"sliding_window", 4}, {"global_tokens", {0, 3, 4, 9}}}, 4, 10},
    {{{"sliding_window", 4}, {"global_tokens", {2, 25, 63, 900}}}, 4, 0},
    {{{"sliding_window", 4}, {"global_tokens", {2, 25}}}, 4, 26},
    {{{"sliding_window", 2}, {"dilation", {5, 1, 1, 2}}, {"global_tokens", 2}}, 6, 8},
    {{{"sliding_window", 3}, {"num_random_blocks", 1}, {"block_size", 2}}, 3, 0},
    {{{"sliding_window", 64}}, 64, 0}};

TEST(WindowCache, DecodesAsACacheOfAllPositionsDoes) {
  const OneThread one_thread;
  for (const auto& [pattern, ring, held] : cases) {
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      expect_same(config_of(Json::object(), pattern), ring, DType::f64, path);
    }
  }
}

TEST(WindowCache, DecodesTheSameInEveryNumberFormat) {
  const OneThread one_thread;
  for (const auto dtype : {DType::f32, DType::bf16}) {
    for (const auto& [pattern, ring, held] : cases) {
      const Json more{{"num_key_value_heads", 2}};
      expect_same(config_of(Json::object(), pattern, more), ring, dtype, AttentionPath::streaming);
    }
  }
}

TEST(WindowCache, DecodesUnderEveryTypeAndOption) {
  const OneThread one_thread;
  const std::vector<Json> attentions{
      {{"position_embedding_type", "alibi"}},
      {{"attn_logit_softcapping", 1.5}, {"qk_norm", "rms_norm"}},
      {{"type", "mla"},
       {"kv_lora_rank", 3},
       {"qk_nope_head_dim", 4},
       {"qk_rope_head_dim", 2},
       {"v_head_dim", 3}},
      {{"type", "collaborative"}, {"key_query_dim", 8}},
      {{"type", "mohsa"}, {"overlap_dim", 1}},
      {{"type", "moh"}, {"num_shared_heads", 1}, {"num_selected_heads", 2}},
      {{"type", "moa"}, {"num_experts", 3}, {"num_experts_per_tok", 1}},
      {{"type", "dcmha"}}};
  const std::vector<Json> models{
      Json::object(),
      {{"attention_bias", true}},
      {{"cross_layer_residual", {{"site", "mlp"}, {"source", "recomputed"}, {"weights", "sum"}}}}};
  for (const auto& attention : attentions) {
    for (const auto& model : models) {
      for (const std::size_t i : {1, 3, 5, 8}) {
        expect_same(config_of(attention, cases[i].pattern, model), cases[i].ring, DType::f64,
                    AttentionPath::streaming);
      }
    }
  }
}

// Over more keys than a kernel takes at once.
TEST(WindowCache, DecodesLongWindows) {
  constexpr std::int64_t tokens = 900;
  const WholeCaches whole;
  for (const auto& pattern :
       {Json{{"sliding_window", 300}}, Json{{"sliding_window", 290}, {"global_tokens", 33}},
        Json{{"sliding_window", 270}, {"dilation", {2, 1, 1, 2}}}}) {
    auto config = config_of(Json::object(), pattern);
    config.max_position_embeddings = 2048;
    config = parse_llama_config(to_json(config), "c.json");
    const auto llama = make_variant(config, DType::f32);
    for (const auto& pieces : {std::vector<std::int64_t>{700, 1}, {257}}) {
      const auto through_ring = decode(*llama, pieces, {}, tokens);
      EXPECT_GT(through_ring.bytes_per_sequence, 0U);
      EXPECT_EQ(largest_difference(through_ring.logits,
                                   decode(*llama, pieces, {.hooks = &whole}, tokens).logits),
                0)
          << pattern;
    }
  }
}

TEST(WindowCache, IsTheSameAtAnyNumberOfThreads) {
  const OneThread one_thread;
  for (const std::size_t i : {1, 3, 5}) {
    const auto llama = make_variant(config_of(Json::object(), cases[i].pattern), DType::f32);
    const auto expected = decode(*llama, {7, 1, 2}).logits;
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      EXPECT_EQ(largest_difference(decode(*llama, {7, 1, 2}).logits, expected), 0)
          << cases[i].pattern;
    }
    set_num_threads(1);
  }
}

TEST(WindowCache, FollowsLayersOfSeveralPatterns) {
  const OneThread one_thread;
  const auto with = [](const Json& pattern) { return Json{{"pattern", pattern}}; };
  const Json attention{with(cases[1].pattern), Json::object(), with(cases[4].pattern),
                       with(cases[3].pattern)};
  for (const auto& more :
       {Json::object(), Json{{"score_accumulation", {{"scale", "sqrt_dk"}}}},
        Json{{"cross_layer_residual",
              {{"site", "attention"}, {"source", "recomputed"}, {"weights", "sum"}}}}}) {
    auto sizes = more;
    sizes["num_hidden_layers"] = 4;
    sizes["max_position_embeddings"] = 64;
    expect_same(with_attention(attention, sizes), 7, DType::f64, AttentionPath::streaming);
    // No layer without a window: all keep what the farthest sees where scores are added up.
    auto windows = attention;
    windows[1] = with(cases[8].pattern);
    expect_same(with_attention(windows, sizes), 9, DType::f64, AttentionPath::explicit_weights);
  }
}

TEST(WindowCache, HoldsTheRingAndTheGlobalTokens) {
  for (const auto& [pattern, ring, held] : cases) {
    const auto llama = make_variant(config_of(Json::object(), pattern));
    for (const auto& pieces : {std::vector<std::int64_t>{1}, {30, 1}, {length}}) {
      const auto decoded = decode(*llama, pieces);
      EXPECT_EQ(decoded.bytes_per_token, 2U * 2 * 4 * 4 * 8) << pattern;  // of both layers
      EXPECT_EQ(decoded.bytes_per_sequence,
                decoded.bytes_per_token * static_cast<std::size_t>(held))
          << pattern;
    }
  }
}

// A layer of layer_types without its window keeps everything; the others keep their ring.
TEST(WindowCache, IsThatOfEachLayer) {
  const auto llama = make_variant(
      config_of(Json::object(), {{"sliding_window", 5}},
                {{"num_hidden_layers", 3},
                 {"layer_types", {"sliding_attention", "full_attention", "sliding_attention"}}}));
  const auto decoded = decode(*llama, {6, 1});
  EXPECT_EQ(decoded.bytes_per_token, 3U * 2 * 4 * 4 * 8);
  EXPECT_EQ(decoded.bytes_per_sequence, 2U * 2 * 4 * 4 * 8 * 5);
}

// Where scores are added up over layers, all keep what the one that sees farthest sees; values on
// another layer's input are those of the layer that is run again.
TEST(WindowCache, IsThatOfTheLayersThatLookBack) {
  const auto with = [](std::int64_t window) {
    return Json{{"pattern", {{"sliding_window", window}}}};
  };
  const auto held_by = [&](const Json& attention, Json more) {
    more["max_position_embeddings"] = 64;
    const auto decoded = decode(*make_variant(with_attention(attention, more)), {9, 1});
    return decoded.bytes_per_sequence / (4 * 4 * 8);  // rows of keys, or of values
  };
  const Json scores{{"score_accumulation", {{"scale", "sqrt_dk"}}}};
  const Json again{
      {"cross_layer_residual", {{"site", "mlp"}, {"source", "recomputed"}, {"weights", "sum"}}}};
  EXPECT_EQ(held_by({with(3), with(5)}, Json::object()), 2U * 3 + 2 * 5);
  EXPECT_EQ(held_by({with(3), with(5)}, scores), 4U * 5);
  EXPECT_EQ(held_by({with(3), Json::object()}, scores), 0U);
  EXPECT_EQ(held_by({with(3), with(5)}, again), 2U * 3 + 2 * 5 + 3);
}

// The memory itself, not what is said of it.
TEST(WindowCache, TakesTheMemoryOfItsWindow) {
  constexpr std::int64_t most = 4096;
  for (const std::int64_t globals : {0, 4}) {
    const auto config =
        with_attention({{"pattern", {{"sliding_window", 128}, {"global_tokens", globals}}}},
                       {{"max_position_embeddings", most}});
    const auto llama = make_variant(config, DType::f32);
    const NoGrad no_grad;
    const auto ids = some_ids(1, most, config.vocab_size);
    auto cache = std::make_unique<KeyValueCache>(1, most, DType::f32);
    for (std::int64_t begin = 0, end = 2000; begin < most; begin = end, end += 131) {
      end = std::min(end, most);
      static_cast<void>(llama->last_logits(slice(ids, 1, begin, end), {.cache = cache.get()}));
    }
    EXPECT_EQ(cache->length(), most);
    const auto positions = static_cast<std::size_t>(128 + globals);
    EXPECT_EQ(cache->bytes_per_sequence(), positions * cache->bytes_per_token());
    const auto before = memory_stats().live_bytes;
    cache.reset();
    const auto rows = config.num_hidden_layers * 2;
    EXPECT_EQ(before - memory_stats().live_bytes,
              static_cast<std::size_t>(rows) * block_bytes_of(positions * 4 * 4 * 4));
  }
}

// The positions before a query that queries there or behind it see, by the rule itself.
std::vector<std::int64_t> seen_from(const CausalMask& mask, std::int64_t position,
                                    std::int64_t heads, std::int64_t end) {
  const auto rule = mask.view().rule();
  std::vector<std::int64_t> all;
  for (std::int64_t key = 0; key < position; ++key) {
    bool seen = false;
    for (auto query = position; query < end && !seen; ++query) {
      for (std::int64_t head = 0; head < heads; ++head) {
        seen |= rule.visible(0, head, query, key, end);
      }
    }
    if (seen) all.push_back(key);
  }
  return all;
}

TEST(WindowCache, ReachesWhatTheMaskShows) {
  constexpr std::int64_t heads = 4, end = 64;
  for (const auto& [pattern, ring, held] : cases) {
    const auto config = config_of(Json::object(), pattern);
    const auto& rules = config.attention.at(0).options->pattern;
    const auto reach = reach_of(rules, end);
    const auto mask = with_pattern({}, rules, {.layer = 0, .heads = heads, .end = end});
    if (pattern.contains("num_random_blocks")) {
      EXPECT_TRUE(reach.whole);
      continue;
    }
    EXPECT_EQ(reach.ring(), ring) << pattern;
    for (std::int64_t position = 0; position < 32; ++position) {
      const auto before = reach.before(position);
      std::vector<std::int64_t> kept(reach.globals.begin(), reach.globals.begin() + before.globals);
      for (auto i = before.first; i < before.end; ++i) kept.push_back(i);
      EXPECT_EQ(kept, seen_from(mask, position, heads, end)) << pattern << " " << position;
      if (held > 0) {
        EXPECT_LE(before.count(), held) << pattern;
      }
    }
  }
}

TEST(WindowCache, IsProvedCausal) {
  for (const std::size_t i : {1, 3, 4, 5, 8}) {
    const auto config = config_of(Json::object(), cases[i].pattern);
    const auto proof = prove_causal(config, {23, 33}, run_paths());
    EXPECT_TRUE(proof.proved()) << cases[i].pattern << proof.leaking_path << proof.not_followed;
  }
}

TEST(WindowCache, RefusesRowsThatDoNotFollow) {
  const auto error_of_rows = [](std::int64_t first, std::int64_t count) -> std::string {
    const NoGrad no_grad;
    CachedRows rows({.batch = 1, .capacity = 8, .dtype = DType::f64});
    try {
      static_cast<void>(rows.append(0, zeros({1, 3, 2}, DType::f64)));
      static_cast<void>(rows.append(first, zeros({1, count, 2}, DType::f64)));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error_of_rows(3, 5), "");
  EXPECT_EQ(error_of_rows(3, 6), "[key_value_cache] 9 positions do not fit a cache made for 8");
  EXPECT_EQ(error_of_rows(4, 1),
            "[key_value_cache] rows of position 4 came behind those of 3 positions");
}

// As transformers writes them.
TEST(WindowCache, OfStockModels) {
  const OneThread one_thread;
  const auto parse = [](const Json& keys) {
    Json object{{"vocab_size", 13},
                {"hidden_size", 16},
                {"intermediate_size", 12},
                {"num_hidden_layers", 2},
                {"num_attention_heads", 4},
                {"num_key_value_heads", 2},
                {"head_dim", 4},
                {"max_position_embeddings", 64}};
    object.update(keys);
    return parse_llama_config(object.dump(), "c.json");
  };
  const auto mistral = parse({{"model_type", "mistral"}, {"sliding_window", 6}});
  const auto qwen2 =
      parse({{"model_type", "qwen2"},
             {"num_hidden_layers", 3},
             {"use_sliding_window", true},
             {"sliding_window", 6},
             {"layer_types", {"full_attention", "sliding_attention", "sliding_attention"}}});
  for (const auto& config : {mistral, qwen2}) {
    expect_same(config, 6, DType::f64, AttentionPath::streaming);
    const auto decoded = decode(*make_variant(config), {7, 1});
    EXPECT_EQ(decoded.bytes_per_sequence, 2U * 2 * 2 * 4 * 8 * 6);  // of two layers
  }
}

}  // namespace
}  // namespace lookback::testing
