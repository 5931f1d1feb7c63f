// What CUDA's return codes become: an Error that says what was tried and what CUDA says.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

namespace lookback {

// Throws Error where `status` is not success; OutOfMemory, which leaves CUDA as it was, where it is
// that there is no memory.
void check_cuda(std::string_view what, cudaError_t status);

}  // namespace lookback
