#include "kernels/silu.h"

#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/logistic.h"

namespace lookback::kernels {
namespace {

struct Silu {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x * device::logistic(x);
  }
};

struct SiluSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x) const {
    const T s = device::logistic(x);
    return dy * s * device::fused(x, 1 - s, T(1));
  }
};

void forward(const SiluForward& a) { map_floating_on_gpu(a.y, Silu{}, a.x); }
void backward(const SiluBackward& a) { map_floating_on_gpu(a.dx, SiluSlope{}, a.dy, a.x); }

const Registration forward_registered{silu_forward, Backend::cuda, forward};
const Registration backward_registered{silu_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
