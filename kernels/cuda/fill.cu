#include "kernels/fill.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

template <class Sum>
struct Constant {
  Sum value;
  LOOKBACK_DEVICE Sum operator()() const { return value; }
};

void update(const Fill& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    map_on_gpu<T>(a.y, Constant<Sum>{static_cast<Sum>(a.value)});
  });
}

const Registration registered{fill, Backend::cuda, update};

}  // namespace
}  // namespace lookback::kernels
