#include "apps/cli/interrupt.h"

#include <signal.h>

namespace lookback {
namespace {

volatile sig_atomic_t interrupted = 0;

void remember(int) { interrupted = 1; }

void on_interrupt(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

InterruptWatch::InterruptWatch() {
  interrupted = 0;
  on_interrupt(remember, static_cast<int>(SA_RESETHAND) | SA_RESTART);
}

InterruptWatch::~InterruptWatch() { on_interrupt(SIG_DFL, 0); }

bool InterruptWatch::requested() const { return interrupted != 0; }

}  // namespace lookback
