// What the GPU at hand can do, as far as kernels depend on it.
#pragma once

namespace lookback::device {

// Whether the code that the driver has loaded is for warpgroups (warpgroup.h), as the code itself
// says (code_report.h). The GPU alone does not tell: 9.0 takes PTX, which has none, where the
// program holds no machine code of sm_90a, or CUDA_FORCE_PTX_JIT is set.
bool has_warpgroups();

}  // namespace lookback::device
