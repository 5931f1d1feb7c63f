#include "kernels/chunk_squares.h"

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

struct RootOfParts {
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

template <class T>
void sum_tensors(const ChunkSquares& a) {
  std::vector<std::int64_t> elements;
  for (const auto& x : a.tensors) elements.push_back(x.numel());
  auto* parts = a.y.as<double>();
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
}

void sum_chunks(const ChunkSquares& a) {
  static_assert(chunk_elements(Backend::cuda) == table_chunk_elements);
  if (a.tensors.empty()) return;
  visit_floating(a.tensors[0].dtype, [&]<class T>(TypeTag<T>) { sum_tensors<T>(a); });
}

void root(const RootOfSum& a) {
  device::launch({.blocks = 1, .shared_bytes = shared_bytes},
                 RootOfParts{a.squares.as<double>(), a.squares.numel(), a.y.as<double>()});
}

const Registration chunks_registered{chunk_squares, Backend::cuda, sum_chunks};
const Registration root_registered{root_of_sum, Backend::cuda, root};

}  // namespace
}  // namespace lookback::kernels
