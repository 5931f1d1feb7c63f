#include "kernels/log.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Log {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::log(x);
  }
};

void forward(const LogForward& a) { map_floating_on_gpu(a.y, Log{}, a.x); }

const Registration registered{log_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
