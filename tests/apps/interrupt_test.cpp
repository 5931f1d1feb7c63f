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
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const InterruptWatch watch;
    EXPECT_FALSE(watch.requested());
    raise(signal);
    EXPECT_EQ(watch.signal(), signal);
    // As `timeout` does: once to the program, once to its group.
    raise(signal);
    EXPECT_EQ(watch.signal(), signal);
  }
}

// Ctrl-C, and then the terminal is closed: the checkpoint is still written.
TEST(Interrupt, AClosedTerminalIsInNoHurry) {
  const InterruptWatch watch;
  raise(SIGINT);
  wait_until_it_is_another_wish();
  raise(SIGHUP);
  EXPECT_EQ(watch.signal(), SIGINT);
}

TEST(Interrupt, SchedulersAskForACheckpoint) {
  for (const int signal : {SIGUSR1, SIGUSR2}) {
    CheckpointWatch watch;
    EXPECT_FALSE(watch.take());
    raise(signal);
    raise(signal);
    EXPECT_TRUE(watch.take());
    EXPECT_FALSE(watch.take());
  }
}

// nohup, and the background jobs of a shell.
TEST(Interrupt, WhatTheParentIgnoresStaysIgnored) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    const auto before = ::signal(signal, SIG_IGN);
    {
      const InterruptWatch watch;
      CheckpointWatch wish;
      raise(signal);
      EXPECT_FALSE(watch.requested());
      EXPECT_FALSE(wish.take());
    }
    EXPECT_EQ(::signal(signal, before), SIG_IGN) << "afterwards as well";
  }
}

TEST(InterruptDeathTest, TheSecondWishEndsTheProgram) {
  for (const auto& [first, second] : std::vector<std::pair<int, int>>{{SIGINT, SIGINT},
                                                                      {SIGTERM, SIGTERM},
                                                                      {SIGINT, SIGTERM},
                                                                      {SIGTERM, SIGINT},
                                                                      {SIGHUP, SIGTERM}}) {
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
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
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
