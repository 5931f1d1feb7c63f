#include "kernels/rsqrt.h"

#include <cmath>

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const RsqrtForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto x) { return decltype(x)(1) / std::sqrt(x); }, a.x);
  });
}

void backward(const RsqrtBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.dx, [](auto dy, auto y) { return decltype(dy)(-0.5) * dy * y * y * y; }, a.dy, a.y);
  });
}

const Registration forward_registered{rsqrt_forward, Backend::cpu, forward};
const Registration backward_registered{rsqrt_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
