// What the device of a session can do at most: what benchmarks and profiles are held against.
#pragma once

#include "autograd/ops/products.h"
#include "nn/llama/llama.h"
#include "runtime/device.h"

namespace lookback {

// Of products of this kind, in GF/s. The CPU's measured (kernels/cpu/machine.h); on an H100 or H200
// 989 TF/s in bf16, as these are commonly rated; elsewhere on a GPU a large product, measured.
double gflops_limit(Device device, Products products);

// Of memory, read and written, in GB/s: the CPU's triad, a GPU's large copy.
double gbps_limit(Device device);

// Both, of a model's products.
struct MachineLimits {
  double gflops = 0, gbps = 0;
};
MachineLimits machine_limits(const Llama& llama);

}  // namespace lookback
