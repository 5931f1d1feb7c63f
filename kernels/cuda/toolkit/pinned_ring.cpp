#include "kernels/cuda/toolkit/pinned_ring.h"

#include <cstring>

#include "kernels/cuda/toolkit/cuda_check.h"

namespace lookback {

// Free to be written, and large enough.
PinnedRing::Slot& PinnedRing::next_slot(std::size_t bytes) {
  auto& slot = ring_[next_++ % slots];
  if (slot.taken == nullptr) {
    check_cuda("cudaEventCreate", cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming));
    check_cuda("cudaEventCreate", cudaEventCreateWithFlags(&slot.taken, cudaEventDisableTiming));
  } else {
    check_cuda("cudaEventSynchronize", cudaEventSynchronize(slot.taken));
  }
  if (slot.bytes < bytes) {
    check_cuda("cudaFreeHost", cudaFreeHost(slot.pinned));
    check_cuda("cudaFree", cudaFree(slot.staged));
    slot.pinned = slot.staged = nullptr;
    slot.bytes = 0;
    check_cuda("cudaHostAlloc", cudaHostAlloc(&slot.pinned, bytes, cudaHostAllocDefault));
    check_cuda("cudaMalloc", cudaMalloc(&slot.staged, bytes));
    slot.bytes = bytes;
  }
  return slot;
}

void PinnedRing::upload(cudaStream_t kernels, void* to, const void* from, std::size_t bytes) {
  if (copies_ == nullptr) {
    check_cuda("cudaStreamCreate", cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking));
  }
  auto& slot = next_slot(bytes);
  std::memcpy(slot.pinned, from, bytes);
  check_cuda("cudaMemcpyAsync",
             cudaMemcpyAsync(slot.staged, slot.pinned, bytes, cudaMemcpyHostToDevice, copies_));
  check_cuda("cudaEventRecord", cudaEventRecord(slot.arrived, copies_));
  check_cuda("cudaStreamWaitEvent", cudaStreamWaitEvent(kernels, slot.arrived, 0));
  check_cuda("cudaMemcpyAsync",
             cudaMemcpyAsync(to, slot.staged, bytes, cudaMemcpyDeviceToDevice, kernels));
  check_cuda("cudaEventRecord", cudaEventRecord(slot.taken, kernels));
}

}  // namespace lookback
