// What a call of a kernel costs by its operands' shapes, whatever the kernel makes of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/operand.h"

namespace lookback {

using KernelInputs = std::vector<kernels::In>;
using KernelOutputs = std::vector<kernels::Out>;

// A multiply-add counts as two. 0 where the operation is no product.
double flops_of_kernel(std::string_view slot, const KernelInputs& inputs,
                       const KernelOutputs& outputs);
// Read and written, every operand once.
double bytes_of_kernel(const KernelInputs& inputs, const KernelOutputs& outputs);
// Of the first two inputs: "(1024, 256) x (256, 256)".
std::string shapes_of_kernel(const KernelInputs& inputs);

}  // namespace lookback
