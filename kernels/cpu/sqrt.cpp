#include "kernels/sqrt.h"

#include <cmath>

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const SqrtForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto x) { return std::sqrt(x); }, a.x);
  });
}

const Registration forward_registered{sqrt_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
