#include "apps/profile/kernel_times.h"

#include <utility>

#include "autograd/scope.h"

namespace lookback {

KernelTimes::KernelTimes(Device device)
    : device_(device), observing_([this](const auto& slot, const auto& in, const auto& out) {
        lap(slot, in, out);
      }) {}

void KernelTimes::begin_step() {
  laps_.clear();
  next_begins_ = nullptr;
}

void KernelTimes::lap(const kernels::SlotBase& slot, const KernelInputs& inputs,
                      const KernelOutputs& outputs) {
  auto end = queued_moment(device_);
  if (next_begins_ != nullptr) {
    laps_.push_back({{.name = std::string(slot.name),
                      .shape = shapes_of_kernel(inputs),
                      .scope = *Scope::current(),
                      .flops = flops_of_kernel(slot.name, inputs, outputs),
                      .bytes = bytes_of_kernel(inputs, outputs)},
                     std::move(next_begins_),
                     std::move(end)});
  }
  next_begins_ = queued_moment(device_);
}

std::vector<TimedCall> KernelTimes::end_step() {
  std::vector<TimedCall> calls;
  for (auto& [call, begin, end] : laps_) {
    call.start = begin->seconds_since(*laps_.front().begin);
    call.seconds = end->seconds_since(*begin);
    calls.push_back(std::move(call));
  }
  begin_step();
  return calls;
}

}  // namespace lookback
