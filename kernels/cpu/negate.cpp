#include "kernels/negate.h"

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const NegateForward& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto x) { return -x; }, a.x);
  });
}

const Registration registered{negate_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
