#include "kernels/cuda/cross_entropy_totals.h"

#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {
namespace {

// One block: each thread adds up every 256th row, then a tree.
template <class Sum>
struct Totals {
  static constexpr int threads = 256;
  CrossEntropyRows of;
  Sum* loss_sum;
  std::int64_t* count;
  std::int64_t* correct;  // null where it is not wanted

  LOOKBACK_DEVICE void operator()() const {
    auto* scratch = reinterpret_cast<double*>(device::shared_memory());
    auto* integers = reinterpret_cast<std::int64_t*>(device::shared_memory());
    double nats = 0;
    std::int64_t valid = 0, right = 0;
    for (std::int64_t r = device::thread_index(); r < of.rows; r += threads) {
      nats += static_cast<double>(static_cast<const Sum*>(of.nats)[r]);
      valid += of.targets[r] == of.ignore_index ? 0 : 1;
      if (correct != nullptr) right += of.right[r];
    }
    nats = device::reduce_block<threads>(nats, scratch, device::Plus{});
    valid = device::reduce_block<threads>(valid, integers, device::Plus{});
    right = device::reduce_block<threads>(right, integers, device::Plus{});
    if (device::thread_index() != 0) return;
    *loss_sum = static_cast<Sum>(nats);
    *count = valid;
    if (correct != nullptr) *correct = right;
  }
};

}  // namespace

void add_up_rows(const CrossEntropyRows& rows, const Out& loss_sum, const Out& count,
                 const Out& correct) {
  const auto run = [&]<class Sum>(TypeTag<Sum>) {
    constexpr int warps = Totals<Sum>::threads / device::warp_threads;
    device::launch({.blocks = 1, .shared_bytes = warps * sizeof(double)},
                   Totals<Sum>{rows, loss_sum.as<Sum>(), count.as<std::int64_t>(),
                               correct.as<std::int64_t>()});
  };
  if (loss_sum.dtype == DType::f64) {
    run(TypeTag<double>{});
  } else {
    run(TypeTag<float>{});
  }
}

}  // namespace lookback::kernels
