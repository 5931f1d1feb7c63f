#include "nn/llama/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/check.h"

namespace lookback {
namespace {

std::vector<double> shares(SamplingOptions options, const std::vector<double>& logits) {
  Sampler sampler(options);
  std::vector<double> counts(logits.size());
  constexpr int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    counts[static_cast<std::size_t>(sampler.pick(logits))] += 1.0 / draws;
  }
  return counts;
}

const std::vector<double> some_logits{std::log(0.1), std::log(0.2), std::log(0.4), std::log(0.3)};

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  Sampler sampler({.temperature = 0});
  EXPECT_EQ(sampler.pick(std::vector<double>{1, 3, 3, 2}), 1);
}

TEST(Sampler, DrawsInProportion) {
  const auto found = shares({}, some_logits);
  const std::vector<double> expected{0.1, 0.2, 0.4, 0.3};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(found[i], expected[i], 0.015);
}

TEST(Sampler, TemperatureSharpens) {
  EXPECT_NEAR(shares({.temperature = 0.5}, some_logits)[2], 0.16 / 0.30, 0.015);
}

TEST(Sampler, TopKAndTopPKeepTheMostLikely) {
  const auto k = shares({.top_k = 2}, some_logits);
  EXPECT_EQ(k[0] + k[1], 0);
  EXPECT_NEAR(k[2], 4.0 / 7, 0.015);
  const auto p = shares({.top_p = 0.75}, some_logits);
  EXPECT_EQ(p[0], 0);
  EXPECT_GT(p[1], 0);
  EXPECT_NEAR(shares({.top_p = 1e-9}, some_logits)[2], 1, 1e-9);
}

TEST(Sampler, LeavesOutTokensWithoutText) {
  EXPECT_NEAR(shares({.temperature = 0, .words = 2}, some_logits)[1], 1, 1e-9);
  const auto found = shares({.words = 2}, some_logits);
  EXPECT_NEAR(found[0], 1.0 / 3, 0.015);
  EXPECT_EQ(found[2] + found[3], 0);
  EXPECT_EQ(shares({.words = 9, .seed = 3}, some_logits), shares({.seed = 3}, some_logits));
}

TEST(Sampler, RepeatsFromItsSeed) {
  EXPECT_EQ(shares({.seed = 7}, some_logits), shares({.seed = 7}, some_logits));
  EXPECT_NE(shares({.seed = 7}, some_logits), shares({.seed = 8}, some_logits));
}

TEST(Sampler, RefusesNonsense) {
  EXPECT_THROW(Sampler({.temperature = -1}), Error);
  EXPECT_THROW(Sampler({.temperature = std::nan("")}), Error);
  EXPECT_THROW(Sampler({.top_k = -1}), Error);
  EXPECT_THROW(Sampler({.words = -1}), Error);
  EXPECT_THROW(Sampler({.top_p = 0}), Error);
  Sampler sampler({});
  const std::vector<double> damaged{0, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THROW(sampler.pick(damaged), Error);
}

}  // namespace
}  // namespace lookback
