// Patterns of attention: what config.json says of them, and what must hold between them.
#include "nn/layer/attention_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "autograd/ops/slice.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr std::int64_t tokens = 13;

Json with_pattern_of(const Json& pattern) { return {{"pattern", pattern}}; }

Tensor logits_under(const Json& pattern, AttentionPath path = AttentionPath::streaming) {
  const auto llama = make_variant(pattern.is_null() ? with_attention(Json::object())
                                                    : with_attention(with_pattern_of(pattern)));
  return llama->logits(some_ids(2, tokens, 13), {.attention = path});
}

TEST(AttentionPatterns, WhatShowsAllIsPlainAttention) {
  const auto plain = logits_under(nullptr);
  Json everyone = Json::array();
  for (std::int64_t i = 0; i < tokens; ++i) everyone.push_back(i);
  for (const auto& pattern :
       {Json{{"sliding_window", tokens}},
        Json{{"sliding_window", 1000}, {"dilation", {1, 1, 1, 1}}}, Json{{"global_tokens", tokens}},
        Json{{"global_tokens", 1000}}, Json{{"global_tokens", everyone}},
        Json{{"num_random_blocks", tokens}},
        Json{{"num_random_blocks", 5}, {"block_size", 3}, {"sliding_window", 3}}}) {
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      EXPECT_LT(largest_difference(logits_under(pattern, path), plain), 1e-12) << pattern;
    }
  }
}

TEST(AttentionPatterns, EachRuleHidesSomething) {
  const auto plain = logits_under(nullptr);
  const auto window = logits_under({{"sliding_window", 2}});
  EXPECT_GT(largest_difference(window, plain), 1e-6);
  for (const auto& pattern : {Json{{"sliding_window", 2}, {"dilation", 3}},
                              Json{{"sliding_window", 2}, {"dilation", {1, 1, 1, 2}}},
                              Json{{"sliding_window", 2}, {"global_tokens", 1}},
                              Json{{"sliding_window", 2}, {"global_tokens", {5}}},
                              Json{{"sliding_window", 2}, {"num_random_blocks", 1}}}) {
    const auto logits = logits_under(pattern);
    EXPECT_GT(largest_difference(logits, plain), 1e-6) << pattern;
    EXPECT_GT(largest_difference(logits, window), 1e-6) << pattern;
    EXPECT_LT(largest_difference(logits, logits_under(pattern, AttentionPath::explicit_weights)),
              1e-12)
        << pattern;
  }
}

TEST(AttentionPatterns, AWindowOfOneAppliesTheIdentity) {
  const auto llama = make_variant(with_attention(with_pattern_of({{"sliding_window", 1}})));
  Trace trace;
  static_cast<void>(llama->logits(some_ids(2, tokens, 13), {.trace = &trace}));
  for (const auto& weights : trace.attention_weights) {
    const auto numbers = weights.elements<double>();
    for (std::int64_t i = 0; i < weights.numel(); ++i) {
      EXPECT_EQ(numbers[static_cast<std::size_t>(i)],
                i / tokens % tokens == i % tokens ? 1.0 : 0.0);
    }
  }
}

// The same of a sequence and of its beginning.
TEST(AttentionPatterns, DoNotDependOnTheLength) {
  const auto llama = make_variant(with_attention(with_pattern_of(
      {{"sliding_window", 2}, {"dilation", 2}, {"global_tokens", 1}, {"num_random_blocks", 2}})));
  const auto ids = some_ids(2, tokens, 13);
  const auto whole = llama->logits(ids);
  for (const std::int64_t length : {1, 5, 12}) {
    EXPECT_LT(
        largest_difference(llama->logits(slice(ids, 1, 0, length)), slice(whole, 1, 0, length)),
        1e-12);
  }
}

// The rule itself: draws are of earlier blocks, no block twice, others in other layers and heads.
TEST(AttentionPatterns, RandomBlocksAreDrawnForEachLayerAndHead) {
  const Json object{{"num_random_blocks", 3}, {"block_size", 4}, {"random_seed", 7}};
  const auto config = with_attention(Json::object());
  const ConfigReader reader(object, "c.json", "pattern.");
  const auto pattern = read_pattern({reader, config});
  std::set<std::vector<std::int64_t>> tables;
  for (const std::int64_t layer : {0, 1}) {
    const PatternSite site{.layer = layer, .heads = 2, .end = 400};
    const auto mask = with_pattern({}, pattern, site);
    const auto& table = mask.pattern.random_blocks;
    ASSERT_EQ(table.shape(), (Shape{2, 100, 3}));
    EXPECT_EQ(mask.window, 1);
    const auto drawn = table.elements<std::int64_t>();
    for (std::int64_t i = 0; i < 200; ++i) {
      const auto block = i % 100;
      std::set<std::int64_t> seen;
      for (std::int64_t k = 0; k < 3; ++k) {
        const auto one = drawn[static_cast<std::size_t>(3 * i + k)];
        EXPECT_LT(one, block);
        if (one >= 0) {
          EXPECT_TRUE(seen.insert(one).second);
        }
      }
      EXPECT_EQ(static_cast<std::int64_t>(seen.size()), std::min<std::int64_t>(3, block));
    }
    tables.emplace(drawn.begin(), drawn.begin() + 300);
    tables.emplace(drawn.begin() + 300, drawn.end());
    // Further on, the beginning is the same.
    const auto further =
        with_pattern({}, pattern, {.layer = layer, .heads = 2, .end = 401}).pattern.random_blocks;
    EXPECT_GE(further.size(1), 101);
    for (std::int64_t i = 0; i < 300; ++i) {
      EXPECT_EQ(further.elements<std::int64_t>()[static_cast<std::size_t>(i)],
                drawn[static_cast<std::size_t>(i)]);
    }
  }
  EXPECT_EQ(tables.size(), 4U);
}

TEST(AttentionPatterns, AreWrittenAsTheyWereRead) {
  for (const auto& pattern :
       {Json{{"sliding_window", 5}}, Json{{"sliding_window", 2}, {"dilation", 3}},
        Json{{"sliding_window", 1}, {"dilation", {4, 1, 2, 1}}},
        Json{{"sliding_window", 1}, {"global_tokens", 2}},
        Json{{"sliding_window", 1}, {"global_tokens", {0, 7}}},
        Json{{"sliding_window", 3},
             {"num_random_blocks", 2},
             {"block_size", 4},
             {"random_seed", 18446744073709551615U}}}) {
    const auto config = with_attention(with_pattern_of(pattern));
    const auto written = Json::parse(config.attention.at(0).options->to_json().dump());
    EXPECT_EQ(written.at("pattern"), pattern);
  }
}

TEST(AttentionPatterns, WhatDoesNotFitIsRefused) {
  const auto refused = [](const Json& pattern) { return error_of(with_pattern_of(pattern)); };
  EXPECT_THAT(refused({{"global_token", 2}}),
              HasSubstr("pattern.\"global_token\": the nearest is global_tokens"));
  EXPECT_THAT(refused({{"sliding_window", 0}}), HasSubstr("must be an integer from 1 to"));
  EXPECT_THAT(refused({{"dilation", 0}}), HasSubstr("must be an integer of at least 1, or a list"));
  EXPECT_THAT(refused({{"dilation", {1, 2}}}), HasSubstr("must have 4 numbers, one for each head"));
  EXPECT_THAT(refused({{"dilation", {1, 2, 0, 1}}}), HasSubstr("must be an integer of at least 1"));
  EXPECT_THAT(refused({{"global_tokens", -1}}),
              HasSubstr("must be a count of at least 0, or a list of positions"));
  EXPECT_THAT(refused({{"global_tokens", {1, "2"}}}), HasSubstr("a list of positions"));
  EXPECT_THAT(refused({{"num_random_blocks", -1}}), HasSubstr("must be an integer from 0 to"));
  EXPECT_THAT(refused({{"block_size", 0}}), HasSubstr("must be an integer from 1 to"));
  EXPECT_THAT(refused({{"random_seed", -1}}), HasSubstr("must be an integer of at least 0"));
  EXPECT_EQ(refused({{"dilation", nullptr}, {"global_tokens", nullptr}, {"block_size", nullptr}}),
            "");
}

}  // namespace
}  // namespace lookback::testing
