#include "runtime/thread_team.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <thread>
#include <utility>

#include "runtime/signals_held_back.h"

namespace lookback {
namespace {

constexpr std::uint64_t one_call = std::uint64_t{1} << 32;
constexpr std::uint64_t call_of(std::uint64_t open) { return open / one_call; }
constexpr std::uint32_t chunks_of(std::uint64_t open) { return static_cast<std::uint32_t>(open); }

// Until condition() holds or ThreadTeam::spin has gone by; whether it holds.
template <class Condition>
bool spin_until(const Condition& condition) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + ThreadTeam::spin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (condition()) return true;
      __builtin_ia32_pause();
    }
  } while (Clock::now() < end);
  return false;
}

// Never destroyed: its threads may still look at it while the process ends.
std::atomic<ThreadTeam*>& team() {
  static std::atomic<ThreadTeam*> current{[] {
    // A child has none of its parent's threads.
    pthread_atfork(nullptr, nullptr, [] { team() = new ThreadTeam; });
    return new ThreadTeam;
  }()};
  return current;
}

}  // namespace

ThreadTeam& ThreadTeam::instance() { return *team(); }

void ThreadTeam::work_on(std::int64_t chunks, int helpers, Run run, const void* work) {
  constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
  if (helpers > 0 && chunks > 1 && chunks <= most && !is_taken_.test_and_set()) {
    const auto failure = work_together(static_cast<std::uint32_t>(chunks), helpers, run, work);
    is_taken_.clear();
    if (failure) std::rethrow_exception(failure);
    return;
  }
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run(work, chunk);
}

std::exception_ptr ThreadTeam::work_together(std::uint32_t chunks, int helpers, Run run,
                                             const void* work) {
  have_threads(helpers);
  call_.run.store(run, std::memory_order_relaxed);
  call_.work.store(work, std::memory_order_relaxed);
  call_.chunks.store(chunks, std::memory_order_relaxed);
  call_.helpers.store(helpers, std::memory_order_relaxed);
  unfinished_ = chunks;
  open_ = (call_of(open_) + 1) * one_call + chunks;
  ++calls_;
  wake(chunks - 1, helpers);
  work_while_open(0);
  wait_for_others();
  return std::exchange(failure_, nullptr);
}

// Without enough of them the work takes longer, and is the same.
void ThreadTeam::have_threads(int count) {
  if (threads_ >= count) return;
  const SignalsHeldBack held_back;
  try {
    while (threads_ < count) {
      std::thread([this, number = threads_ + 1] { help(number); }).detach();
      ++threads_;
    }
  } catch (const std::exception&) {
    return;
  }
}

// As many as there is work for; all, where some may not take part.
void ThreadTeam::wake(std::uint32_t wanted, int helpers) {
  const auto asleep = static_cast<std::uint32_t>(asleep_.load());
  if (asleep == 0) return;
  if (asleep <= wanted || helpers < threads_) return calls_.notify_all();
  for (std::uint32_t i = 0; i < wanted; ++i) calls_.notify_one();
}

void ThreadTeam::help(int number) {
  for (;;) wait_for_call(work_while_open(number));
}

// Returns the call of which nothing is left for this thread.
std::uint64_t ThreadTeam::work_while_open(int number) {
  auto open = open_.load();
  while (chunks_of(open) > 0) {
    // If the chunk can still be taken after this was read, it is this call's.
    const auto run = call_.run.load(std::memory_order_relaxed);
    const auto* work = call_.work.load(std::memory_order_relaxed);
    const auto chunk = call_.chunks.load(std::memory_order_relaxed) - chunks_of(open);
    if (number > call_.helpers.load(std::memory_order_relaxed)) break;
    if (!open_.compare_exchange_weak(open, open - 1)) continue;
    try {
      run(work, chunk);
    } catch (...) {
      keep(std::current_exception(), chunk);
    }
    if (--unfinished_ == 0 && caller_sleeps_) unfinished_.notify_one();
    open = open_.load();
  }
  return call_of(open);
}

void ThreadTeam::wait_for_call(std::uint64_t last) {
  const auto there_is = [&] { return call_of(open_) != last; };
  if (spin_until(there_is)) return;
  ++asleep_;
  const auto calls = calls_.load();
  if (!there_is()) calls_.wait(calls);
  --asleep_;
}

void ThreadTeam::wait_for_others() {
  if (spin_until([&] { return unfinished_ == 0; })) return;
  caller_sleeps_ = true;
  for (auto left = unfinished_.load(); left > 0; left = unfinished_.load()) unfinished_.wait(left);
  caller_sleeps_ = false;
}

// That of the first chunk is the same however the threads took turns.
void ThreadTeam::keep(std::exception_ptr failure, std::uint32_t chunk) {
  const std::lock_guard guard(failing_);
  if (failure_ && failed_chunk_ < chunk) return;
  failure_ = std::move(failure);
  failed_chunk_ = chunk;
}

}  // namespace lookback
