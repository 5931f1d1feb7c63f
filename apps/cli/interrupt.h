// Signals as wishes: Ctrl-C, a terminal that is closed, what schedulers send. A signal that was
// ignored when the program started (nohup, a shell's job in the background) stays ignored.
#pragma once

#include <signal.h>

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace lookback {

// For handlers of this signal: the program ends by it, as where nobody handles it, once they have
// returned.
void end_by(int signal);

// For its lifetime `handler` gets these signals, but for the ignored ones; then they are as before.
class HandledSignals {
 public:
  HandledSignals(std::initializer_list<int> signals, void (*handler)(int));
  ~HandledSignals();
  HandledSignals(const HandledSignals&) = delete;
  HandledSignals& operator=(const HandledSignals&) = delete;

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

// For its lifetime a first SIGINT, SIGTERM or SIGHUP is only remembered; a second SIGINT or SIGTERM
// ends the program. Not one that comes within half a second: `timeout` and some schedulers send
// theirs to the program and to its process group, which is the same wish twice. (Nor a SIGHUP: who
// asks for the end and then closes the terminal is still in no hurry.)
class InterruptWatch {
 public:
  InterruptWatch();
  // The first signal that came; 0: none has.
  int signal() const;
  bool requested() const { return signal() != 0; }

 private:
  std::optional<HandledSignals> handled_;  // once what came before is forgotten
};

// For its lifetime SIGUSR1 and SIGUSR2, by which schedulers announce the end of a job's time, are a
// wish for a checkpoint.
class CheckpointWatch {
 public:
  CheckpointWatch();
  // Whether one came since this was asked last.
  bool take();

 private:
  std::optional<HandledSignals> handled_;
};

}  // namespace lookback
