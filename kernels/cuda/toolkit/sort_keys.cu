#include "kernels/cuda/device/sort_keys.h"

#include <cub/device/device_radix_sort.cuh>

#include "kernels/cuda/device/stream.h"

namespace lookback::kernels {
namespace {

// Without a workspace: only says how much it wants.
void run(const KeySort& sort, void* workspace, std::size_t& bytes) {
  device::check_launch(cub::DeviceRadixSort::SortPairs(
      workspace, bytes, sort.keys, sort.sorted_keys, sort.values, sort.sorted_values, sort.count, 0,
      sort.key_bits, static_cast<cudaStream_t>(device::compute_stream())));
}

}  // namespace

std::size_t sort_keys_workspace_bytes(const KeySort& sort) {
  std::size_t bytes = 0;
  run(sort, nullptr, bytes);
  return bytes;
}

void sort_keys(const KeySort& sort, void* workspace) {
  auto bytes = sort_keys_workspace_bytes(sort);
  run(sort, workspace, bytes);
}

}  // namespace lookback::kernels
