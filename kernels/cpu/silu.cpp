#include "kernels/silu.h"

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/silu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;
namespace hn = hwy::HWY_NAMESPACE;

void forward(const SiluForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.y, [](auto d, auto x) HWY_ATTR { return hn::Mul(x, simd::sigmoid(d, x)); }, a.x);
  });
}

void backward(const SiluBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.dx,
        [](auto d, auto dy, auto x) HWY_ATTR {
          const auto one = hn::Set(d, 1);
          const auto s = simd::sigmoid(d, x);
          return hn::Mul(hn::Mul(dy, s), hn::MulAdd(x, hn::Sub(one, s), one));
        },
        a.dy, a.x);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);
const Registration forward_registered{silu_forward, Backend::cpu, [](const SiluForward& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{silu_backward, Backend::cpu, [](const SiluBackward& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
