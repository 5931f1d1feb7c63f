#include "kernels/copy.h"

#include "kernels/cuda/elementwise.h"

namespace lookback::kernels {
namespace {

struct Copy {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x;
  }
};

void forward(const CopyForward& a) {
  visit_any(a.y.dtype, [&]<class To>(TypeTag<To>) {
    visit_any(a.x.dtype,
              [&]<class From>(TypeTag<From>) { map_on_gpu<To, From>(a.y, Copy{}, a.x); });
  });
}

const Registration registered{copy_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
