#include "kernels/silu_mul.h"

#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/logistic.h"

namespace lookback::kernels {
namespace {

struct SiluMul {
  template <class T>
  LOOKBACK_DEVICE T operator()(T gate, T up) const {
    return gate * device::logistic(gate) * up;
  }
};

struct SiluMulSlopes {
  template <class T>
  LOOKBACK_DEVICE Results<T, 2> operator()(T dy, T gate, T up) const {
    const T s = device::logistic(gate);
    const T slope = s * device::fma(gate, 1 - s, T(1));
    return {dy * up * slope, dy * (gate * s)};
  }
};

void forward(const SiluMulForwardArgs& a) {
  visit_rounded(a.gate.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    map_on_gpu<Y, T, T>(a.y, SiluMul{}, a.gate, a.up);
  });
}
void backward(const SiluMulBackwardArgs& a) {
  visit_rounded(a.gate.dtype, a.dy.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    map_on_gpu<Y, Y, T, T>(std::array{a.dgate, a.dup}, SiluMulSlopes{}, a.dy, a.gate, a.up);
  });
}

const Registration forward_registered{silu_mul_forward, Backend::cuda, forward};
const Registration backward_registered{silu_mul_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
