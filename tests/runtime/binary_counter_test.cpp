#include "runtime/binary_counter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>

namespace lookback {
namespace {

// Sums as the expressions that they are: equal texts are additions in the same order.
std::string joined(const std::string& left, const std::string& right) {
  return "(" + left + "+" + right + ")";
}

std::string sum_of(const std::vector<std::string>& terms) {
  BinaryCounter<std::string> counter;
  for (const auto& term : terms) counter.add(term, joined);
  return counter.total(joined);
}

std::vector<std::string> numbers(int begin, int end) {
  std::vector<std::string> terms;
  for (int i = begin; i < end; ++i) terms.push_back(std::to_string(i));
  return terms;
}

TEST(BinaryCounter, JoinsNeighborsThatStandForEquallyManyThenTheSmallestFirst) {
  EXPECT_EQ(sum_of(numbers(0, 1)), "0");
  EXPECT_EQ(sum_of(numbers(0, 2)), "(0+1)");
  EXPECT_EQ(sum_of(numbers(0, 3)), "((0+1)+2)");
  EXPECT_EQ(sum_of(numbers(0, 4)), "((0+1)+(2+3))");
  EXPECT_EQ(sum_of(numbers(0, 7)), "(((0+1)+(2+3))+((4+5)+6))");
}

TEST(BinaryCounter, BeginsAnewAfterATotal) {
  BinaryCounter<std::string> counter;
  counter.add("a", joined);
  EXPECT_EQ(counter.total(joined), "a");
  counter.add("b", joined);
  EXPECT_EQ(counter.total(joined), "b");
}

// Every number of lanes up to 64 and every number of holders that divides it: the order is that of
// one holder exactly where the rule says so.
TEST(BinaryCounter, HoldersOfEqualSharesJoinAsOneWouldWhereTheRuleSaysSo) {
  int pairs = 0;
  for (int lanes = 1; lanes <= 64; ++lanes) {
    const auto alone = sum_of(numbers(0, lanes));
    for (int holders = 1; holders <= lanes; ++holders) {
      if (lanes % holders != 0) continue;
      const int share = lanes / holders;
      std::vector<std::string> shares;
      for (int h = 0; h < holders; ++h)
        shares.push_back(sum_of(numbers(h * share, (h + 1) * share)));
      const bool promised = holders == 1 || std::has_single_bit(static_cast<unsigned>(share));
      EXPECT_EQ(sum_of(shares) == alone, promised) << lanes << " lanes, " << holders << " holders";
      ++pairs;
    }
  }
  EXPECT_EQ(pairs, 280);
}

}  // namespace
}  // namespace lookback
