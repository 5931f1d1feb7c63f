#include "kernels/normal_fill.h"

#include "kernels/cuda/device/device.h"
#include "runtime/philox.h"

namespace lookback::kernels {
namespace {

template <class T>
struct NormalNumbers {
  static constexpr int threads = 256;
  T* y;
  std::int64_t count;
  double standard_deviation;
  Philox philox;

  LOOKBACK_DEVICE void operator()() const {
    const auto i = device::block_index() * threads + device::thread_index();
    if (i >= count) return;
    y[i] = static_cast<T>(standard_deviation *
                          normal_at(philox.seed, philox.stream, static_cast<std::uint64_t>(i)));
  }
};

void update(const NormalFill& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const auto count = a.y.numel();
    device::launch(
        {.blocks = device::blocks_for(count, NormalNumbers<T>::threads)},
        NormalNumbers<T>{
            a.y.as<T>(), count, a.standard_deviation, {.seed = a.seed, .stream = a.stream}});
  });
}

const Registration registered{normal_fill, Backend::cuda, update};

}  // namespace
}  // namespace lookback::kernels
