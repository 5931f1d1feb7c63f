#include "kernels/exp.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Exp {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::exp(x);
  }
};

void forward(const ExpForward& a) { map_floating_on_gpu(a.y, Exp{}, a.x); }

const Registration registered{exp_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
