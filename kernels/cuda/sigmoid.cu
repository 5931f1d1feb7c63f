#include "kernels/sigmoid.h"

#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/logistic.h"

namespace lookback::kernels {
namespace {

struct Sigmoid {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::logistic(x);
  }
};

struct SigmoidSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return dy * y * (T(1) - y);
  }
};

void forward(const SigmoidForward& a) { map_floating_on_gpu(a.y, Sigmoid{}, a.x); }
void backward(const SigmoidBackward& a) { map_floating_on_gpu(a.dx, SigmoidSlope{}, a.dy, a.y); }

const Registration forward_registered{sigmoid_forward, Backend::cuda, forward};
const Registration backward_registered{sigmoid_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
