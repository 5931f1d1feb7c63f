#include "runtime/shape.h"

#include <gtest/gtest.h>

#include "runtime/check.h"

namespace lookback {
namespace {

TEST(Shape, PrintsLikeATuple) {
  EXPECT_EQ(to_string(Shape{}), "()");
  EXPECT_EQ(to_string(Shape{3}), "(3,)");
  EXPECT_EQ(to_string(Shape{2, 0, 5}), "(2, 0, 5)");
}

TEST(Shape, BroadcastFollowsNumpy) {
  EXPECT_EQ(broadcast_shapes("add", {4, 1, 3}, {5, 1}), (Shape{4, 5, 3}));
  EXPECT_EQ(broadcast_shapes("add", {}, {0, 2}), (Shape{0, 2}));
  EXPECT_THROW(broadcast_shapes("add", {2}, {3}), Error);
}

TEST(Shape, RefusesSevenDimensions) { EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1}), Error); }

}  // namespace
}  // namespace lookback
