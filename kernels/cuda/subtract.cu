#include "kernels/subtract.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Subtract {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a - b;
  }
};

void forward(const SubtractForward& a) {
  visit_any(a.y.dtype,
            [&]<class T>(TypeTag<T>) { map_on_gpu<T, T, T>(a.y, Subtract{}, a.a, a.b); });
}

const Registration registered{subtract_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
