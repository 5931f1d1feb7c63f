#include "runtime/allocator.h"

#include "runtime/taint_memory.h"

namespace lookback {

Allocator& allocator_for(Device device) {
  switch (device.backend) {
    case Backend::cpu: return cpu_allocator();
    case Backend::taint: return taint_allocator();
    case Backend::cuda: break;
  }
  fail("memory", "this build has no allocator for device {}", static_cast<int>(device.backend));
}

}  // namespace lookback
