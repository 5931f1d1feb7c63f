// The one stream that kernels run on, and what a refused launch becomes. Defined in
// runtime/cuda/, which knows CUDA's own types.
#pragma once

namespace lookback::device {

void* compute_stream();  // a cudaStream_t

// Throws Error with CUDA's own words where `status`, a cudaError_t, is not success.
void check_launch(int status);

}  // namespace lookback::device
