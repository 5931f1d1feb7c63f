#include "runtime/scoped_value.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>

namespace lookback {
namespace {

TEST(ScopedValue, HoldsUntilItEndsAndPutsThePreviousOneBack) {
  int depth = 1;
  {
    const ScopedValue<int> outer(depth, 2);
    EXPECT_EQ(depth, 2);
    EXPECT_EQ(outer.previous(), 1);
    {
      const ScopedValue<int> inner(depth, 3);
      EXPECT_EQ(depth, 3);
      EXPECT_EQ(inner.previous(), 2);
    }
    EXPECT_EQ(depth, 2);
  }
  EXPECT_EQ(depth, 1);
}

TEST(ScopedValue, AnExceptionEndsItToo) {
  int depth = 1;
  const auto run = [&] {
    const ScopedValue<int> scoped(depth, 2);
    throw std::runtime_error("stop");
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(depth, 1);
}

TEST(ScopedValue, MovesValuesThatCannotBeCopied) {
  auto owner = std::make_unique<int>(1);
  {
    const ScopedValue<std::unique_ptr<int>> scoped(owner, std::make_unique<int>(2));
    EXPECT_EQ(*owner, 2);
  }
  EXPECT_EQ(*owner, 1);
}

thread_local int of_this_thread = 1;

TEST(ScopedValue, LeavesOtherThreadsAlone) {
  const ScopedValue<int> scoped(of_this_thread, 2);
  int seen = 0;
  std::thread([&] { seen = of_this_thread; }).join();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(of_this_thread, 2);
}

}  // namespace
}  // namespace lookback
