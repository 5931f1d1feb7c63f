// Ctrl-C, and what schedulers send (SIGTERM), as a wish, not an end.
#pragma once

namespace lookback {

// For its lifetime a first SIGINT or SIGTERM is only remembered; a second one, of either, ends the
// program. Not one that comes within half a second: `timeout` and some schedulers send theirs to
// the program and to its process group, which is the same wish twice.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  // The first signal that came: SIGINT or SIGTERM; 0: none has.
  int signal() const;
  bool requested() const { return signal() != 0; }
};

}  // namespace lookback
