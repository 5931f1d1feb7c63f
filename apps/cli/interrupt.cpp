#include "apps/cli/interrupt.h"

#include <signal.h>

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
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Ticks>::is_always_lock_free);

void on_signals(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

void remember(int signal) {
  const auto now = Clock::now().time_since_epoch().count();
  int none = 0;
  if (received.compare_exchange_strong(none, signal)) {
    received_at = now;
  } else if (const auto first = received_at.load(); now > first && now - first >= same_wish) {
    on_signals(SIG_DFL);
    raise(signal);  // comes when this handler has returned
  }
}

}  // namespace

InterruptWatch::InterruptWatch() {
  received = 0;
  received_at = not_yet;
  on_signals(remember);
}

InterruptWatch::~InterruptWatch() { on_signals(SIG_DFL); }

int InterruptWatch::signal() const { return received; }

}  // namespace lookback
