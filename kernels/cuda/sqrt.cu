#include "kernels/sqrt.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Sqrt {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::sqrt(x);
  }
};

void forward(const SqrtForward& a) { map_floating_on_gpu(a.y, Sqrt{}, a.x); }

const Registration registered{sqrt_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
