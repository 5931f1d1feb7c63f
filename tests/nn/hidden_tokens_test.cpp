// A token whose embedding is NaN: what a pattern hides of it reaches no row, on any path, in any
// mechanism, also where an earlier layer runs again.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/grad_mode.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t tokens = 9, layers = 2, bad = 3, bad_id = 12;

struct NamedPattern {
  Json pattern;
  bool (*sees)(std::int64_t query, std::int64_t key);
};

std::vector<NamedPattern> patterns() {
  return {{{{"sliding_window", 2}}, [](auto i, auto j) { return j == i || j == i - 1; }},
          {{{"sliding_window", 2}, {"dilation", 2}},
           [](auto i, auto j) { return j == i || j == i - 2; }},
          {{{"sliding_window", 1}, {"global_tokens", Json{1}}},
           [](auto i, auto j) { return j == i || j == 1 || (i == 1 && j < 1); }}};
}

// The rows that the bad token reaches in so many layers.
std::vector<bool> reached(const NamedPattern& pattern) {
  std::vector<bool> rows(static_cast<std::size_t>(tokens));
  rows[static_cast<std::size_t>(bad)] = true;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto before = rows;
    for (std::int64_t i = 0; i < tokens; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        if (pattern.sees(i, j) && before[static_cast<std::size_t>(j)]) {
          rows[static_cast<std::size_t>(i)] = true;
        }
      }
    }
  }
  return rows;
}

std::vector<Json> mechanisms() {
  return {{{"type", "causal"}},
          {{"type", "mla"},
           {"kv_lora_rank", 6},
           {"qk_nope_head_dim", 4},
           {"qk_rope_head_dim", 2},
           {"v_head_dim", 4}},
          {{"type", "collaborative"}, {"key_query_dim", 8}},
          {{"type", "mohsa"}, {"overlap_dim", 1}},
          {{"type", "moh"}, {"num_shared_heads", 1}, {"num_selected_heads", 2}},
          {{"type", "moa"}, {"num_experts", 3}, {"num_experts_per_tok", 1}},
          {{"type", "dcmha"}}};
}

Tensor decoded(const Llama& llama, const Tensor& ids) {
  KeyValueCache cache(1, tokens, DType::f64);
  std::vector<Tensor> all;
  for (std::int64_t t = 0; t < tokens; ++t) {
    all.push_back(llama.logits(slice(ids, 1, t, t + 1), {.cache = &cache}));
  }
  return cat(all, 1);
}

TEST(HiddenTokens, ReachNoRowThatDoesNotSeeThem) {
  const NoGrad no_grad;
  const Json runs_again{{"cross_layer_residual",
                         {{"site", "attention"}, {"source", "recomputed"}, {"weights", "sum"}}}};
  auto ids = some_ids(1, tokens, bad_id);
  ids.elements<std::int64_t>()[bad] = bad_id;
  for (const auto& pattern : patterns()) {
    const auto expected = reached(pattern);
    for (auto attention : mechanisms()) {
      attention["pattern"] = pattern.pattern;
      for (const auto& more : {Json::object(), runs_again}) {
        SCOPED_TRACE(attention.dump() + more.dump());
        const auto llama = make_variant(with_attention(attention, more));
        for (const auto& [name, tensor] : by_name(*llama)) {
          if (name != "model.embed_tokens.weight") continue;
          const auto width = tensor.size(1);
          std::fill_n(tensor.data<double>() + bad_id * width, width,
                      std::numeric_limits<double>::quiet_NaN());
        }
        const auto expect_reached = [&](const Tensor& logits, const char* path) {
          const auto numbers = to_doubles(logits);
          const auto width = numbers.size() / expected.size();
          for (std::size_t t = 0; t < expected.size(); ++t) {
            EXPECT_EQ(std::isnan(numbers[t * width]), expected[t]) << path << " " << t;
          }
        };
        expect_reached(llama->logits(ids), "streaming");
        expect_reached(llama->logits(ids, {.attention = AttentionPath::explicit_weights}),
                       "explicit");
        expect_reached(decoded(*llama, ids), "decoded");
        if (HasFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace lookback::testing
