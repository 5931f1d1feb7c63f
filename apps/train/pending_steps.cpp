#include "apps/train/pending_steps.h"

#include <chrono>

#include "runtime/device_runtime.h"

namespace lookback {

bool PendingSteps::on_gpu() const { return !is_host_memory(device_.backend); }

double PendingSteps::read(
    const std::function<void(const PendingStep&, const StepMeasures&)>& take) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (const auto& step : steps_) take(step, step.results.read());
  steps_.clear();
  return on_gpu() ? std::chrono::duration<double>(Clock::now() - start).count() : 0;
}

}  // namespace lookback
