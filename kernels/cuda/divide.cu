#include "kernels/divide.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Divide {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a / b;
  }
};

void forward(const DivideForward& a) { map_floating_on_gpu(a.y, Divide{}, a.a, a.b); }

const Registration registered{divide_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
