// What the GPU at hand can do, as far as kernels depend on it.
#pragma once

namespace lookback::device {

// Whether it runs code for warpgroups (warpgroup.h): compute capability 9.0, and no other. sm_90a
// machine code runs there and nowhere else, and there the driver takes it before any PTX. A build
// without sm_90a has nothing at all that 9.0 runs.
bool has_warpgroups();

}  // namespace lookback::device
