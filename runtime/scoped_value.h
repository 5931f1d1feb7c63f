// Another value for a variable, for as long as this lives: for what functions read without being
// handed it (HACKING.md lists these variables). On one thread, where the variable is of one.
#pragma once

#include <utility>

namespace lookback {

template <class T>
class ScopedValue {
 public:
  ScopedValue(T& variable, T value)
      : variable_(variable), previous_(std::exchange(variable, std::move(value))) {}
  ~ScopedValue() { variable_ = std::move(previous_); }
  ScopedValue(const ScopedValue&) = delete;
  ScopedValue& operator=(const ScopedValue&) = delete;

  // What the variable held before, and will hold again.
  const T& previous() const { return previous_; }

 private:
  T& variable_;
  T previous_;
};

}  // namespace lookback
