#include "kernels/log.h"

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/log.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;

void forward(const LogForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.y, [](auto d, auto x) HWY_ATTR { return simd::log(d, x); }, a.x);
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
const Registration forward_registered{log_forward, Backend::cpu, [](const LogForward& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};

}  // namespace
}  // namespace lookback::kernels
#endif
