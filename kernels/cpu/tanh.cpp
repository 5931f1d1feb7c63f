#include "kernels/tanh.h"

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/tanh.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;
namespace hn = hwy::HWY_NAMESPACE;

void forward(const TanhForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.y, [](auto d, auto x) HWY_ATTR { return hn::Tanh(d, x); }, a.x);
  });
}

void backward(const TanhBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.dx,
        [](auto d, auto dy, auto y)
            HWY_ATTR { return hn::Mul(dy, hn::NegMulAdd(y, y, hn::Set(d, 1))); },
        a.dy, a.y);
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
const Registration forward_registered{tanh_forward, Backend::cpu, [](const TanhForward& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{tanh_backward, Backend::cpu, [](const TanhBackward& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
