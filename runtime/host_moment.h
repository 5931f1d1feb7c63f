// A moment of a device that runs everything at once: the host's clock.
#pragma once

#include <chrono>

#include "runtime/device_runtime.h"

namespace lookback {

class HostMoment final : public QueuedMoment {
 public:
  double seconds_since(const QueuedMoment& earlier) const override {
    return std::chrono::duration<double>(at_ - static_cast<const HostMoment&>(earlier).at_).count();
  }

 private:
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

}  // namespace lookback
