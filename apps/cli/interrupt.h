// Ctrl-C as a wish, not an end.
#pragma once

namespace lookback {

// For its lifetime a first Ctrl-C (SIGINT) is only remembered; a second one ends the program.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  bool requested() const;
};

}  // namespace lookback
