#include "apps/cli/interrupt.h"

#include <atomic>
#include <chrono>
#include <limits>

namespace lookback {
namespace {

// The clock's own unit, which a lock-free atomic can hold.
using Clock = std::chrono::steady_clock;
using Ticks = Clock::rep;
constexpr Ticks not_yet = std::numeric_limits<Ticks>::max();
constexpr Ticks same_wish = Clock::duration(std::chrono::milliseconds(500)).count();

// Handlers run on any thread, and two of them at the same time.
std::atomic<int> received = 0;
std::atomic<Ticks> received_at = not_yet;
std::atomic<bool> checkpoint_wanted = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Ticks>::is_always_lock_free &&
              std::atomic<bool>::is_always_lock_free);

void remember(int signal) {
  const auto now = Clock::now().time_since_epoch().count();
  int none = 0;
  if (received.compare_exchange_strong(none, signal)) {
    received_at = now;
  } else if (const auto first = received_at.load();
             signal != SIGHUP && now > first && now - first >= same_wish) {
    end_by(signal);
  }
}

void want_checkpoint(int) { checkpoint_wanted = true; }

}  // namespace

void end_by(int signal) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
  raise(signal);
}

HandledSignals::HandledSignals(std::initializer_list<int> signals, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : signals) {
    struct sigaction found = {};
    sigaction(signal, nullptr, &found);
    if (found.sa_handler == SIG_IGN) continue;
    before_.emplace_back(signal, found);
    sigaction(signal, &action, nullptr);
  }
}

HandledSignals::~HandledSignals() {
  for (const auto& [signal, action] : before_) sigaction(signal, &action, nullptr);
}

InterruptWatch::InterruptWatch() {
  received = 0;
  received_at = not_yet;
  handled_.emplace(std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP}, remember);
}

int InterruptWatch::signal() const { return received; }

CheckpointWatch::CheckpointWatch() {
  checkpoint_wanted = false;
  handled_.emplace(std::initializer_list<int>{SIGUSR1, SIGUSR2}, want_checkpoint);
}

bool CheckpointWatch::take() { return checkpoint_wanted.exchange(false); }

}  // namespace lookback
