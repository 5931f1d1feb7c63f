// Signals as a wish: remembered once, and the end when they come again.
#include "apps/cli/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>
#include <utility>
#include <vector>

namespace lookback {
namespace {

void wait_until_it_is_another_wish() {
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
}

TEST(Interrupt, TheFirstSignalIsRemembered) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const InterruptWatch watch;
    EXPECT_FALSE(watch.requested());
    raise(signal);
    EXPECT_EQ(watch.signal(), signal);
    // As `timeout` does: once to the program, once to its group.
    raise(signal);
    EXPECT_EQ(watch.signal(), signal);
  }
}

TEST(InterruptDeathTest, TheSecondWishEndsTheProgram) {
  for (const auto& [first, second] : std::vector<std::pair<int, int>>{
           {SIGINT, SIGINT}, {SIGTERM, SIGTERM}, {SIGINT, SIGTERM}, {SIGTERM, SIGINT}}) {
    EXPECT_EXIT(
        {
          const InterruptWatch watch;
          raise(first);
          wait_until_it_is_another_wish();
          raise(second);
          _exit(0);
        },
        testing::KilledBySignal(second), "");
  }
}

TEST(InterruptDeathTest, NothingIsRememberedWhereNobodyWatches) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          { const InterruptWatch watch; }
          raise(signal);
          _exit(0);
        },
        testing::KilledBySignal(signal), "");
  }
}

}  // namespace
}  // namespace lookback
