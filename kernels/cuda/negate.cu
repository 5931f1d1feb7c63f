#include "kernels/negate.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Negate {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return -x;
  }
};

void forward(const NegateForward& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) { map_on_gpu<T, T>(a.y, Negate{}, a.x); });
}

const Registration registered{negate_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
