#include "runtime/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "runtime/check.h"

namespace lookback {
namespace {

// Philox{seed, stream} as the published function sees it: counter words 0, 1 are the counter, 2, 3
// the stream; key words the seed.
struct KnownAnswer {
  std::uint64_t counter, stream, seed;
  std::uint32_t answer[4];
};

TEST(Philox, KnownAnswers) {
  // Random123's kat_vectors, "philox4x32 10".
  const KnownAnswer known[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {~0ull, ~0ull, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x85a308d3243f6a88,
       0x0370734413198a2e,
       0x299f31d0a4093822,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const auto& k : known) {
    const PhiloxBlock block = Philox{k.seed, k.stream}.block(k.counter);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(block.word[i], k.answer[i]) << i;
  }
}

TEST(Philox, CompilesToConstants) {
  static_assert(Philox{0, 0}.block(0).word[0] == 0x6627e8d5);
  static_assert(Philox{0, 0}.block(0).pair(1) == 0x9b00dbd8bc57ac4c);
}

TEST(Philox, UsesDoNotMeet) {
  EXPECT_EQ(stream_of(RandomUse::parameters, 7), 7u);
  EXPECT_NE(stream_of(RandomUse::training_data, 7), stream_of(RandomUse::validation_data, 7));
  const auto a = Philox{1, stream_of(RandomUse::training_data, 7)}.block(0);
  const auto b = Philox{1, stream_of(RandomUse::validation_data, 7)}.block(0);
  EXPECT_NE(a.pair(0), b.pair(0));
}

TEST(RandomStream, ReadsBlocksInOrder) {
  RandomStream stream{3, 5, 10};
  for (std::uint64_t counter = 10; counter < 14; ++counter) {
    const PhiloxBlock block = Philox{3, 5}.block(counter);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(stream.next_u32(), block.word[i]);
  }
  RandomStream pairs{3, 5};
  EXPECT_EQ(pairs.next_u64(), (Philox{3, 5}.block(0).pair(0)));
  EXPECT_EQ(pairs.next_u64(), (Philox{3, 5}.block(0).pair(1)));
}

TEST(RandomStream, BelowIsInRangeAndEven) {
  for (const std::uint64_t bound : {1ull, 2ull, 3ull, 10ull, 24ull}) {
    RandomStream stream{11, bound};
    constexpr int draws = 60000;
    std::vector<int> count(bound);
    for (int i = 0; i < draws; ++i) {
      const auto value = stream.below(bound);
      ASSERT_LT(value, bound);
      ++count[value];
    }
    const double expected = static_cast<double>(draws) / static_cast<double>(bound);
    for (const int c : count) EXPECT_NEAR(c, expected, 5 * std::sqrt(expected)) << bound;
  }
  // Three quarters of 2^64: without rejection the lower half would come up twice as often as it
  // may.
  RandomStream stream{11, 99};
  const std::uint64_t bound = 3ull << 62;
  int low = 0;
  for (int i = 0; i < 60000; ++i) low += stream.below(bound) % 3 == 0;
  EXPECT_NEAR(low, 20000, 5 * std::sqrt(60000 * 2.0 / 9));
  EXPECT_THROW(stream.below(0), Error);
}

TEST(RandomStream, UniformIsInRangeWithTheRightMoments) {
  RandomStream stream{1, 2};
  constexpr int draws = 200000;
  double sum = 0, squares = 0, smallest = 1, largest = 0;
  for (int i = 0; i < draws; ++i) {
    const double u = stream.uniform();
    smallest = std::min(smallest, u);
    largest = std::max(largest, u);
    sum += u;
    squares += u * u;
  }
  EXPECT_GE(smallest, 0.0);
  EXPECT_LT(largest, 1.0);
  EXPECT_LT(smallest, 1e-4);
  EXPECT_GT(largest, 1 - 1e-4);
  EXPECT_NEAR(sum / draws, 0.5, 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_NEAR(squares / draws, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / draws));
  EXPECT_EQ(uniform_from_bits(~0ull), 1.0 - 0x1p-53);
  EXPECT_EQ(uniform_from_bits(0), 0.0);
}

TEST(Normal, LogarithmIsAccurate) {
  double worst = 0;
  RandomStream stream{4, 4};
  for (int i = 0; i < 200000; ++i) {
    const double p =
        std::ldexp(0.075 * (stream.uniform() + 1e-9), -static_cast<int>(stream.below(50)));
    worst = std::max(worst, std::fabs(detail::negative_log(p) / -std::log(p) - 1.0));
  }
  EXPECT_LT(worst, 4e-16);
  EXPECT_EQ(detail::negative_log(0.5), 0x1.62e42fefa39efp-1);
}

// The distribution function of what comes out is the uniform number that went in.
TEST(Normal, InvertsTheDistributionFunction) {
  RandomStream stream{4, 5};
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    // Shifts reach into the lower tail: u down to 2^-53.
    const std::uint64_t bits = stream.next_u64() >> stream.below(53);
    const double u = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
    const double z = normal_from_bits(bits);
    const double back = 0.5 * std::erfc(-z / std::sqrt(2.0));
    // d ln Phi = (phi / Phi) dz grows like |z| dz: an error of e in z shows as e z^2.
    worst = std::max(worst, std::fabs(back / u - 1.0) / (1.0 + z * z));
  }
  EXPECT_LT(worst, 1e-15);
}

TEST(Normal, IsSymmetricMonotoneAndBounded) {
  RandomStream stream{4, 6};
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t bits = stream.next_u64();
    EXPECT_EQ(normal_from_bits(bits), -normal_from_bits(~bits));
  }
  // Across the seams of the three approximations: |u - 1/2| = 0.425 and u = exp(-25).
  for (const double seam : {0.075, std::exp(-25.0), 0.5, 0.925}) {
    const auto k = static_cast<std::uint64_t>(seam * 0x1p52);
    for (std::uint64_t i = k > 1000 ? k - 1000 : 0; i < k + 1000; ++i) {
      EXPECT_LE(normal_from_bits(i << 12), normal_from_bits((i + 1) << 12));
    }
  }
  EXPECT_NEAR(normal_from_bits(0), -8.2095361516013874, 1e-13);
}

TEST(Normal, MomentsAndTails) {
  constexpr int draws = 400000;
  std::vector<double> z(draws);
  fill_normal(z, 7, 8, 0);
  double moment[5] = {};
  int beyond2 = 0, beyond3 = 0;
  for (const double x : z) {
    for (int k = 1; k <= 4; ++k) moment[k] += std::pow(x, k) / draws;
    beyond2 += std::fabs(x) > 2;
    beyond3 += std::fabs(x) > 3;
  }
  const double n = std::sqrt(draws);
  EXPECT_NEAR(moment[1], 0, 5 / n);
  EXPECT_NEAR(moment[2], 1, 5 * std::sqrt(2.0) / n);
  EXPECT_NEAR(moment[3], 0, 5 * std::sqrt(15.0) / n);
  EXPECT_NEAR(moment[4], 3, 5 * std::sqrt(96.0) / n);
  EXPECT_NEAR(beyond2, 0.0455002639 * draws, 5 * std::sqrt(0.0455 * draws));
  EXPECT_NEAR(beyond3, 0.0026997961 * draws, 5 * std::sqrt(0.0027 * draws));
  // Neighbors, within a block and across blocks, are uncorrelated.
  for (std::size_t lag = 1; lag <= 3; ++lag) {
    double product = 0;
    for (std::size_t i = lag; i < z.size(); ++i) product += z[i] * z[i - lag];
    EXPECT_NEAR(product / draws, 0, 5 / n);
  }
}

TEST(Normal, FillIsNormalAtBitForBit) {
  for (const std::uint64_t first : {0ull, 1ull, 6ull, 123456789012345ull}) {
    for (const std::size_t count : {0u, 1u, 2u, 3u, 31u, 1000u}) {
      std::vector<double> values(count, -99);
      fill_normal(values, 21, 22, first);
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(values[i], normal_at(21, 22, first + i));
    }
  }
}

// Numbers that must never change, on any machine or backend: a saved seed means these weights.
// (Computed apart to 40 digits, the inverse distribution function rounds to within one bit of
// each.)
TEST(Normal, KnownValues) {
  EXPECT_EQ(normal_at(0, 0, 0), 0x1.2d769e93cb52p+0);
  EXPECT_EQ(normal_at(0, 0, 1), 0x1.11fbd69d8e301p-2);
  EXPECT_EQ(normal_at(1, 2, 3), -0x1.99765973d5d2ep+0);
  EXPECT_EQ(normal_at(42, 7, 1000001), -0x1.1c55eb1645173p-1);
}

}  // namespace
}  // namespace lookback
