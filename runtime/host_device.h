// Marks functions that kernels compiled for a GPU call as well. Elsewhere it says nothing.
#pragma once

#if defined(__CUDACC__)
#define LOOKBACK_HOST_DEVICE __host__ __device__
#else
#define LOOKBACK_HOST_DEVICE
#endif
