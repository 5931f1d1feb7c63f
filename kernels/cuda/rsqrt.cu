#include "kernels/rsqrt.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Rsqrt {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return T(1) / device::sqrt(x);
  }
};

struct RsqrtSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return T(-0.5) * dy * y * y * y;
  }
};

void forward(const RsqrtForward& a) { map_floating_on_gpu(a.y, Rsqrt{}, a.x); }
void backward(const RsqrtBackward& a) { map_floating_on_gpu(a.dx, RsqrtSlope{}, a.dy, a.y); }

const Registration forward_registered{rsqrt_forward, Backend::cuda, forward};
const Registration backward_registered{rsqrt_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
