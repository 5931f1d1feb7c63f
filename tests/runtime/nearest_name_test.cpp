#include "runtime/nearest_name.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {
namespace {

TEST(NearestName, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("trian", "train"), 1U);
  EXPECT_EQ(edit_distance("batch_size", "batch-size"), 0U);
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);  // optimal string alignment: no edit inside a swap
}

TEST(NearestName, NamesTheNearest) {
  const std::array<std::string_view, 3> known = {"train", "eval", "generate"};
  EXPECT_EQ(nearest_name("trian", known), "train");
  EXPECT_EQ(nearest_name("evaluate", known), "eval");
  EXPECT_EQ(nearest_name("x", std::vector<std::string_view>{}), "");
}

TEST(NearestName, IsMeantWhereItIsASlip) {
  const std::vector<std::string> known{"hidden_size", "rope_theta", "fault", "num_attention_heads"};
  EXPECT_EQ(name_meant("hiden_size", known), "hidden_size");
  EXPECT_EQ(name_meant("rope_tehta", known), "rope_theta");
  EXPECT_EQ(name_meant("falt", known), "fault");
  EXPECT_EQ(name_meant("num_atention_haeds", known), "num_attention_heads");
  for (const auto* other : {"dtype", "dim", "f", "", "sliding_window", "num_heads"})
    EXPECT_EQ(name_meant(other, known), "") << other;
  EXPECT_EQ(name_meant("x", std::vector<std::string>{}), "");
}

}  // namespace
}  // namespace lookback
