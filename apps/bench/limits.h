// What the device of a session can do at most: what benchmarks are held against.
#pragma once

#include "apps/cli/command.h"
#include "autograd/ops/products.h"

namespace lookback {

// Of products of this kind, in GF/s. The CPU's measured (kernels/cpu/machine.h); on an H100 or H200
// 989 TF/s in bf16, as these are commonly rated; elsewhere on a GPU a large product, measured.
double gflops_limit(Device device, Products products);

// Of memory, read and written, in GB/s: the CPU's triad, a GPU's large copy.
double gbps_limit(Device device);

}  // namespace lookback
