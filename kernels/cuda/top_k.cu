#include "kernels/cuda/device/device.h"
#include "kernels/top_k.h"

namespace lookback::kernels {
namespace {

// A thread per row: rows are as long as there are heads or experts. Each round takes the first of
// those that are not chosen yet.
template <class T>
struct Choose {
  static constexpr int threads = 128;
  const T* x;
  std::int64_t* index;
  T* chosen;
  std::int64_t rows, n, k, row_step;

  LOOKBACK_DEVICE void operator()() const {
    using Sum = Accumulator<T>;
    const auto row = device::block_index() * threads + device::thread_index();
    if (row >= rows) return;
    const T* from = x + row * row_step;
    T* marks = chosen + row * n;
    for (std::int64_t i = 0; i < n; ++i) marks[i] = static_cast<T>(0.0F);
    for (std::int64_t j = 0; j < k; ++j) {
      std::int64_t best = -1;
      Sum best_value = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        if (static_cast<float>(marks[i]) != 0.0F) continue;
        const auto value = static_cast<Sum>(from[i]);
        const bool larger = value > best_value || (value != value && best_value == best_value);
        if (best >= 0 && !larger) continue;
        best = i;
        best_value = value;
      }
      index[row * k + j] = best;
      marks[best] = static_cast<T>(1.0F);
    }
  }
};

void forward(const TopKArgs& a) {
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) {
    const Choose<T> kernel{a.x.as<T>(),      a.index.as<std::int64_t>(),
                           a.chosen.as<T>(), a.x.size(0),
                           a.x.size(1),      a.index.size(1),
                           a.x.stride(0)};
    device::launch({.blocks = device::blocks_for(kernel.rows, kernel.threads)}, kernel);
  });
}

const Registration registered{top_k_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
