// CUDA's runtime as far as kernels/cuda/toolkit/ calls it, without a GPU: memory is the host's,
// nothing is queued, and any call fails where a test says so. What the toolkit's part of the
// program makes of CUDA's answers can so be tested on every machine that has the toolkit's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <string>
#include <vector>

namespace lookback::fake_cuda {

struct State {
  int devices = 1;
  int driver_version = CUDART_VERSION;
  int major = 9, minor = 0;                  // of every device
  bool code_has_warpgroups = true;           // of what its driver would have loaded
  std::map<std::string, cudaError_t> fails;  // calls, by name
  std::vector<std::string> calls;            // in their order
  std::vector<std::size_t> allocated;        // bytes of each cudaMalloc
  int freed = 0;                             // calls of cudaFree
  int plain_products = 0;                    // products that cuBLAS was not asked for
  cudaError_t last_error = cudaSuccess;      // what cudaGetLastError() gives
};

// Of this process; a test begins with a new one.
State& state();

}  // namespace lookback::fake_cuda
