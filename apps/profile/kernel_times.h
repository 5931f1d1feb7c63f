// How long each kernel of a step takes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/profile/kernel_cost.h"
#include "kernels/core/slot.h"
#include "runtime/device_runtime.h"

namespace lookback {

struct TimedCall {
  std::string name;   // of the kernel's slot
  std::string shape;  // shapes_of_kernel()
  std::string scope;  // the module that asked for it: "model.layers.3.self_attn"
  double start = 0;   // seconds since the step began
  double seconds = 0;
  double flops = 0, bytes = 0;
};

// Times the calls of this thread, for its own lifetime: each from the end of the one before it, so
// that an operation's share of the tape's own work is in it. On a GPU, which is not waited for,
// that is what the GPU took, and what it waited for the host where that queues more slowly than the
// GPU runs. The first call of a step has none before it and is left out.
class KernelTimes {
 public:
  explicit KernelTimes(Device device);

  void begin_step();
  // Its calls, in order, when all that was queued has run.
  std::vector<TimedCall> end_step();

 private:
  struct Lap {
    TimedCall call;
    std::unique_ptr<QueuedMoment> begin, end;
  };
  void lap(const kernels::SlotBase& slot, const KernelInputs& inputs, const KernelOutputs& outputs);

  Device device_;
  std::unique_ptr<QueuedMoment> next_begins_;  // of the call that comes
  std::vector<Lap> laps_;                      // of the step at hand
  kernels::ObserveKernels observing_;
};

}  // namespace lookback
