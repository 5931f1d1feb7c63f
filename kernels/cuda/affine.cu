#include "kernels/affine.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

template <class Sum>
struct Affine {
  Sum scale, shift;
  LOOKBACK_DEVICE Sum operator()(Sum x) const { return scale * x + shift; }
};

void forward(const AffineForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const Affine<Sum> affine{static_cast<Sum>(a.scale), static_cast<Sum>(a.shift)};
    map_on_gpu<T, T>(a.y, affine, a.x);
  });
}

const Registration registered{affine_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
