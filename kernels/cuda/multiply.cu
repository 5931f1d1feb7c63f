#include "kernels/multiply.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Multiply {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a * b;
  }
};

void forward(const MultiplyForward& a) {
  visit_any(a.y.dtype,
            [&]<class T>(TypeTag<T>) { map_on_gpu<T, T, T>(a.y, Multiply{}, a.a, a.b); });
}

const Registration registered{multiply_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
