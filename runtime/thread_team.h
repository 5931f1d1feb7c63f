// The threads that work for parallel_for (parallel.h), kept from one call to the next.
//
// A call is cut into chunks, which whoever is free takes, one after the other. The caller works as
// well, and waits at the end only for chunks that others have begun: a thread that the operating
// system has not woken yet, or has taken off its core before it took a chunk, holds nobody up. Who
// waits spins for about as long as it takes to sleep and to be woken, and sleeps then, so that the
// core is another's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>

namespace lookback {

class ThreadTeam {
 public:
  // One chunk of a call's work.
  using Run = void (*)(const void* work, std::int64_t chunk);

  // The one of this process. A child, after fork(), has a new one.
  static ThreadTeam& instance();

  // Calls run(work, chunk) for each of [0, chunks), on this thread and on at most `helpers` more.
  // Within such a call, and while another thread's call runs, on this thread alone. Of the
  // exceptions that chunks throw, that of the first chunk is rethrown, when none runs any more.
  void work_on(std::int64_t chunks, int helpers, Run run, const void* work);

  // Of waiting, before a thread sleeps: where it is less, each of a training step's many calls
  // waits for threads to be woken, and a step on a quiet machine takes up to a tenth longer; where
  // it is more, it costs others more than it gains (BENCHMARKS.md).
  static constexpr std::chrono::microseconds spin{400};

 private:
  // Written while no chunk is open. Atomic, since a thread may read it that comes too late.
  struct Call {
    std::atomic<Run> run{nullptr};
    std::atomic<const void*> work{nullptr};
    std::atomic<std::uint32_t> chunks{0};
    std::atomic<int> helpers{0};
  };

  std::exception_ptr work_together(std::uint32_t chunks, int helpers, Run run, const void* work);
  void have_threads(int count);
  void wake(std::uint32_t wanted, int helpers);
  void help(int number);
  std::uint64_t work_while_open(int number);
  void wait_for_call(std::uint64_t last);
  void wait_for_others();
  void keep(std::exception_ptr failure, std::uint32_t chunk);

  std::atomic_flag is_taken_;  // by a call
  int threads_ = 0;
  Call call_;
  // The number of the call in the upper half, the chunks that nobody has taken in the lower one.
  alignas(64) std::atomic<std::uint64_t> open_{0};
  alignas(64) std::atomic<std::uint32_t> unfinished_{0};
  std::atomic<bool> caller_sleeps_{false};
  alignas(64) std::atomic<std::uint32_t> calls_{0};  // what threads that sleep wait for
  std::atomic<int> asleep_{0};
  std::mutex failing_;
  std::exception_ptr failure_;
  std::uint32_t failed_chunk_ = 0;
};

}  // namespace lookback
