// Work on all threads: every chunk once, whoever takes it, and threads that wait leave their cores
// to others.
#include "runtime/parallel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "runtime/check.h"

namespace lookback::tests {
namespace {

using namespace std::chrono_literals;

class Parallel : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(4); }
  void TearDown() override { set_num_threads(before_); }

  // The threads that take chunks, where each chunk waits until `wanted` have taken one.
  static std::set<std::thread::id> threads_of_call(std::size_t wanted,
                                                   std::chrono::milliseconds patience = 20s) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    const auto end = std::chrono::steady_clock::now() + patience;
    parallel_for(16, 1, [&](std::int64_t, std::int64_t) {
      for (bool waits = true; waits && std::chrono::steady_clock::now() < end;) {
        const std::lock_guard guard(mutex);
        threads.insert(std::this_thread::get_id());
        waits = threads.size() < wanted;
      }
    });
    return threads;
  }
  // Of all threads of this process.
  static std::chrono::microseconds processor_time() {
    rusage used = {};
    getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) { return t.tv_sec * 1s + t.tv_usec * 1us; };
    return of(used.ru_utime) + of(used.ru_stime);
  }

 private:
  const int before_ = num_threads();
};

std::int64_t sum_of(std::int64_t count, std::int64_t chunk) {
  return parallel_sum<std::int64_t>(count, chunk, [](std::int64_t begin, std::int64_t end) {
    std::int64_t sum = 0;
    for (auto i = begin; i < end; ++i) sum += i;
    return sum;
  });
}

TEST_F(Parallel, RunsEveryChunkOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (const std::int64_t count : {0, 1, 2, 31, 33, 1025, 100'000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
      parallel_for(count, 7, [&](std::int64_t begin, std::int64_t end) {
        EXPECT_EQ(begin % 7, 0);
        EXPECT_LE(end, count);
        for (auto i = begin; i < end; ++i) ++runs[static_cast<std::size_t>(i)];
      });
      for (const auto& each : runs) ASSERT_EQ(each, 1);
    }
  }
}

// A thread that comes late to one call must not take a chunk of the next as one of the last.
TEST_F(Parallel, OneCallAfterAnother) {
  for (std::int64_t count = 0; count < 20'000; ++count)
    ASSERT_EQ(sum_of(count % 97, 3), count % 97 * (count % 97 - 1) / 2) << count;
}

TEST_F(Parallel, TakesAsManyThreadsAsThereAreAndNoMore) {
  EXPECT_EQ(threads_of_call(4).size(), 4U);
  set_num_threads(8);
  EXPECT_EQ(threads_of_call(8).size(), 8U);
  set_num_threads(2);
  EXPECT_EQ(threads_of_call(3, 300ms).size(), 2U);
  set_num_threads(1);
  EXPECT_EQ(threads_of_call(2, 300ms), std::set{std::this_thread::get_id()});
}

TEST_F(Parallel, IsSetForOneThreadAlone) {
  set_num_threads(3);
  int others = 0;
  std::thread([&] {
    others = num_threads();
    set_num_threads(5);
  }).join();
  EXPECT_NE(others, 3);
  EXPECT_EQ(num_threads(), 3);
  EXPECT_THROW(set_num_threads(0), Error);
}

TEST_F(Parallel, WithinACallThereIsOneThread) {
  std::atomic<int> strangers = 0;
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
      if (std::this_thread::get_id() != self) ++strangers;
    });
  });
  EXPECT_EQ(strangers, 0);
  EXPECT_EQ(threads_of_call(4).size(), 4U) << "after it";
}

TEST_F(Parallel, SeveralCallersAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      set_num_threads(3);
      for (int i = 0; i < 2000; ++i) wrong += sum_of(1000, 10) == 499'500 ? 0 : 1;
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Parallel, TheFirstChunksExceptionIsRethrown) {
  for (const int threads : {1, 4}) {
    set_num_threads(threads);
    for (int round = 0; round < 200; ++round) {
      try {
        parallel_for(64, 1, [](std::int64_t i, std::int64_t) {
          if (i % 10 == 3) throw std::runtime_error(std::to_string(i));
        });
        FAIL() << "nothing is thrown";
      } catch (const std::runtime_error& error) {
        ASSERT_STREQ(error.what(), "3");
      }
    }
    EXPECT_EQ(sum_of(100, 1), 4950) << "after it";
  }
}

TEST_F(Parallel, ThreadsWithoutWorkSleep) {
  threads_of_call(4);
  const auto before = processor_time();
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(processor_time() - before, 50ms);
}

TEST_F(Parallel, TheCallerSleepsWhileOthersFinish) {
  const auto caller = std::this_thread::get_id();
  threads_of_call(4);
  const auto before = processor_time();
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    // The caller is done at once, whichever chunk it takes.
    if (std::this_thread::get_id() != caller)
      std::this_thread::sleep_for(300ms);
    else
      std::this_thread::sleep_for(20ms);
  });
  EXPECT_LT(processor_time() - before, 50ms);
}

TEST_F(Parallel, AChildHasThreadsOfItsOwn) {
  threads_of_call(4);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(threads_of_call(4).size() == 4 && sum_of(1000, 10) == 499'500 ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace lookback::tests
