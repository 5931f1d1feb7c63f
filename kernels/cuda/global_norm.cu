#include "kernels/global_norm.h"

#include "kernels/cuda/device/row_reduce.h"
#include "kernels/cuda/device/tensor_table.h"

namespace lookback::kernels {
namespace {

using Table = TensorTable<1>;
constexpr int block_threads = 256;

constexpr std::size_t shared_bytes = block_threads / device::warp_threads * sizeof(double);

LOOKBACK_DEVICE double sum_of_block(double value) {
  auto* scratch = reinterpret_cast<double*>(device::shared_memory());
  return device::reduce_block<block_threads>(value, scratch, device::Plus{});
}

template <class T, int width>
struct SumOfSquares {
  static constexpr int threads = block_threads;
  Table table;
  double* parts;  // one per block

  LOOKBACK_DEVICE void operator()() const {
    const auto chunk = table.chunk_of(device::block_index());
    const auto* x = static_cast<const T*>(table.data[chunk.tensor][0]);
    double sum = 0;
    const auto add = [&](T element) {
      const auto value = static_cast<double>(element);
      sum = device::fma(value, value, sum);
    };
    for_each_of_chunk<threads, width>(
        chunk,
        [&](std::int64_t i) {
          for (const auto element : read_pack<width>(x + i).element) add(element);
        },
        [&](std::int64_t i) { add(x[i]); });
    sum = sum_of_block(sum);
    if (device::thread_index() == 0) parts[device::block_index()] = sum;
  }
};

struct RootOfSum {
  static constexpr int threads = block_threads;
  const double* parts;
  std::int64_t count;
  double* y;

  LOOKBACK_DEVICE void operator()() const {
    double sum = 0;
    for (std::int64_t i = device::thread_index(); i < count; i += threads) sum += parts[i];
    sum = sum_of_block(sum);
    if (device::thread_index() == 0) *y = device::sqrt(sum);
  }
};

std::size_t workspace_bytes(const GlobalNorm& a) {
  std::int64_t blocks = 0;
  for (const auto& x : a.tensors) blocks += device::blocks_for(x.numel(), table_chunk_elements);
  return static_cast<std::size_t>(blocks) * sizeof(double);
}

// The tensors of one dtype; returns where the next parts go.
template <class T>
double* sum_tensors(const GlobalNorm& a, double* parts) {
  std::vector<std::int64_t> elements;
  for (const auto& x : a.tensors) elements.push_back(x.dtype == dtype_of<T> ? x.numel() : 0);
  for_each_table<1>(
      elements, [&](std::size_t i, void** data) { data[0] = a.tensors[i].data; },
      [&](const Table& table, const std::vector<std::size_t>&) {
        const device::Grid grid{.blocks = table.blocks(), .shared_bytes = shared_bytes};
        if (table.takes_packs<T>(pack_width<T>)) {
          device::launch(grid, SumOfSquares<T, pack_width<T>>{table, parts});
        } else {
          device::launch(grid, SumOfSquares<T, 1>{table, parts});
        }
        parts += table.blocks();
      });
  return parts;
}

void update(const GlobalNorm& a) {
  auto* const parts = a.workspace.as<double>();
  auto* end = sum_tensors<float>(a, parts);
  end = sum_tensors<double>(a, end);
  end = sum_tensors<BFloat16>(a, end);
  device::launch({.blocks = 1, .shared_bytes = shared_bytes},
                 RootOfSum{parts, end - parts, a.y.as<double>()});
}

const Registration registered{global_norm, Backend::cuda, update, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
