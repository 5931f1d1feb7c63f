// Uploads that the host does not wait for: what it hands over is copied into pinned memory at once,
// and from there by the GPU, in the order of the stream.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

namespace lookback {

class PinnedRing {
 public:
  // Larger uploads are better waited for than held twice.
  static constexpr std::size_t most_bytes = std::size_t{8} << 20;

  // Queues the copy of `bytes` (at most most_bytes) to device memory. Waits only where the GPU is
  // still to read what was handed over `slots` uploads ago.
  void upload(cudaStream_t stream, void* to, const void* from, std::size_t bytes);

 private:
  static constexpr std::size_t slots = 8;
  struct Slot {
    void* memory = nullptr;
    std::size_t bytes = 0;
    cudaEvent_t read = nullptr;  // recorded behind the copy out of it
  };
  std::array<Slot, slots> ring{};
  std::size_t next = 0;
};

}  // namespace lookback
