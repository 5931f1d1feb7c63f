#include "kernels/affine.h"

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const AffineForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const auto scale = static_cast<Accumulator<T>>(a.scale);
    const auto shift = static_cast<Accumulator<T>>(a.shift);
    map_elements<T>(
        a.y, [=](auto x) { return scale * x + shift; }, a.x);
  });
}

const Registration registered{affine_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
