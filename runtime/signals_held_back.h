// Threads that the program's signals do not reach.
#pragma once

#include <signal.h>

namespace lookback {

// While it lives, this thread gets no signals; those that it starts then never do, as a thread has
// the mask of the one that starts it. Signals are for the threads that know what to do with them.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeldBack() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  sigset_t before_ = {};
};

}  // namespace lookback
