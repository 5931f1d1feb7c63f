#include "kernels/add.h"

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const AddForward& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto left, auto right) { return left + right; }, a.a, a.b);
  });
}

const Registration registered{add_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
