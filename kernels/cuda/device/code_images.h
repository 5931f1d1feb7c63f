// Which GPUs the code in this program is for. A program holds machine code for some architectures,
// and PTX, which the driver compiles for newer GPUs when a kernel is first used.
#pragma once

#include <string>
#include <string_view>

namespace lookback::device {

struct ComputeCapability {
  int major = 0, minor = 0;
};

// `built_for`: the architectures of the build, "80 90a": what LOOKBACK_CUDA_ARCHITECTURES came to.
// Machine code of "80" runs on 8.0 and the later 8.x, and its PTX on every newer GPU; that of "90a"
// runs on 9.0 alone, and has no PTX.

// What such a GPU runs: "machine code of sm_90a", "PTX of compute_80"; empty: nothing.
std::string code_for(ComputeCapability gpu, std::string_view built_for);

// "this program holds machine code of sm_80, sm_90a and PTX of compute_80; a build with
// -DLOOKBACK_CUDA_ARCHITECTURES=90a holds what sm_90 runs".
std::string code_advice(ComputeCapability gpu, std::string_view built_for);

}  // namespace lookback::device
