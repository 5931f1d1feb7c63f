// The one stream that kernels run on, what its GPU has room for, and what a refused launch becomes.
// Defined in kernels/cuda/toolkit/, which knows CUDA's own types.
#pragma once

#include <cstddef>

namespace lookback::device {

void* compute_stream();  // a cudaStream_t

// The most shared memory that a block may ask for, in bytes: 163 KiB on an A100, 227 on an H100.
std::size_t shared_bytes_of_block();

// Throws Error with CUDA's own words where `status`, a cudaError_t, is not success.
void check_launch(int status);

}  // namespace lookback::device
