// Uploads that neither the host nor the kernels wait for: what the host hands over is copied into
// pinned memory at once; from there a stream of copies takes it to the GPU while kernels run, and a
// copy on the GPU, in the order of the kernels, puts it in its place. So the batch of the next step
// crosses the bus during this one.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

namespace lookback {

class PinnedRing {
 public:
  // Larger uploads are better waited for than held three times.
  static constexpr std::size_t max_bytes = std::size_t{8} << 20;

  // Queues the copy of `bytes` (at most max_bytes) to device memory, in the order of `kernels`.
  // Waits only where the GPU is still to take what was handed over `slots` uploads ago.
  void upload(cudaStream_t kernels, void* to, const void* from, std::size_t bytes);

 private:
  static constexpr std::size_t slots = 8;
  struct Slot {
    void* pinned = nullptr;  // the host's
    void* staged = nullptr;  // the GPU's
    std::size_t bytes = 0;
    cudaEvent_t arrived = nullptr;  // recorded behind the copy that crosses the bus
    cudaEvent_t taken = nullptr;    // recorded behind the one on the GPU
  };
  Slot& next_slot(std::size_t bytes);

  cudaStream_t copies_ = nullptr;
  std::array<Slot, slots> ring_{};
  std::size_t next_ = 0;
};

}  // namespace lookback
