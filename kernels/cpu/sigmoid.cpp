#include "kernels/sigmoid.h"

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sigmoid.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;
namespace hn = hwy::HWY_NAMESPACE;

void forward(const SigmoidForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.y, [](auto d, auto x) HWY_ATTR { return simd::sigmoid(d, x); }, a.x);
  });
}

void backward(const SigmoidBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.dx,
        [](auto d, auto dy, auto y)
            HWY_ATTR { return hn::Mul(hn::Mul(dy, y), hn::Sub(hn::Set(d, 1), y)); },
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
const Registration forward_registered{sigmoid_forward, Backend::cpu, [](const SigmoidForward& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{sigmoid_backward, Backend::cpu,
                                       [](const SigmoidBackward& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
