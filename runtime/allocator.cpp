#include "runtime/allocator.h"

#include "runtime/device_runtime.h"
#include "runtime/taint_memory.h"

namespace lookback {

Allocator& allocator_for(Device device) {
  switch (device.backend) {
    case Backend::cpu: return cpu_allocator();
    case Backend::taint: return taint_allocator();
    case Backend::cuda: break;
  }
  check_device(device);
  return device_runtime(device.backend)->allocator(device.index);
}

}  // namespace lookback
