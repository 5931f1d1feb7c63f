#include "kernels/cuda/device/sort_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cuda/emulated/fenced_block.h"
#include "kernels/cuda/emulated/queue.h"

namespace lookback::kernels {

namespace {

void run(const KeySort& sort) {
  const device::emulated::OnDevice on_device;
  std::vector<std::size_t> order(static_cast<std::size_t>(sort.count));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return sort.keys[i]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    sort.sorted_keys[i] = sort.keys[order[i]];
    sort.sorted_values[i] = sort.values[order[i]];
  }
}

}  // namespace

std::size_t sort_keys_workspace_bytes(const KeySort&) { return 1; }

void sort_keys(const KeySort& sort, void*) {
  device::emulated::submit([sort] { run(sort); });
}

}  // namespace lookback::kernels
