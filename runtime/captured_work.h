// Work on a device that is shown once and then repeated by the device alone (CUDA: a graph): the
// host, which would need longer to queue some hundred small kernels than a GPU to run them, queues
// one thing.
#pragma once

#include <functional>
#include <memory>

#include "runtime/device.h"

namespace lookback {

class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  // Queues the work again: the same kernels on the same memory, whatever that holds by then.
  virtual void launch() = 0;
};

// Calls work() and keeps what it queues on `device` instead of running it. Memory that work()
// allocates belongs to what is captured, and memory that lives when capture begins is kept as
// long as it: tensors made before, inside or after may be let go in any order. Null, with work()
// not called, where kernels are not queued (the CPU). Throws what work() throws; Error where it
// hands data to the host or takes some from it; OutOfMemory. Nothing has then been queued.
std::unique_ptr<CapturedWork> capture(Device device, const std::function<void()>& work);

}  // namespace lookback
