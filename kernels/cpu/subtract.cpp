#include "kernels/subtract.h"

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const SubtractForward& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto left, auto right) { return left - right; }, a.a, a.b);
  });
}

const Registration registered{subtract_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
