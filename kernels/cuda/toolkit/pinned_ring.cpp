#include "kernels/cuda/toolkit/pinned_ring.h"

#include <cstring>

#include "kernels/cuda/toolkit/cuda_check.h"

namespace lookback {

void PinnedRing::upload(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
  auto& slot = ring[next++ % slots];
  if (slot.read == nullptr) {
    check_cuda("cudaEventCreate", cudaEventCreateWithFlags(&slot.read, cudaEventDisableTiming));
  } else {
    check_cuda("cudaEventSynchronize", cudaEventSynchronize(slot.read));
  }
  if (slot.bytes < bytes) {
    if (slot.memory != nullptr) check_cuda("cudaFreeHost", cudaFreeHost(slot.memory));
    slot.memory = nullptr;
    check_cuda("cudaHostAlloc", cudaHostAlloc(&slot.memory, bytes, cudaHostAllocDefault));
    slot.bytes = bytes;
  }
  std::memcpy(slot.memory, from, bytes);
  check_cuda("cudaMemcpyAsync",
             cudaMemcpyAsync(to, slot.memory, bytes, cudaMemcpyHostToDevice, stream));
  check_cuda("cudaEventRecord", cudaEventRecord(slot.read, stream));
}

}  // namespace lookback
