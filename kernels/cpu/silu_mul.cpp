#include "kernels/silu_mul.h"

#include "kernels/cpu/simd_targets.h"
#include "runtime/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/silu_mul.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

template <class T, class Operand>
T* row_of(const Operand& x, std::int64_t r) {
  return static_cast<T*>(x.data) + r * x.stride(0);
}

template <class T, class Y>
void forward_rows(const SiluMulForwardArgs& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const T* gates = row_of<T>(a.gate, r);
    const T* ups = row_of<T>(a.up, r);
    Y* y = row_of<Y>(a.y, r);
    for_each_vector<Accumulator<T>>(a.y.size(1), [&](auto d, std::int64_t i) HWY_ATTR {
      const auto gate = load(d, gates + i);
      store(d, hn::Mul(hn::Mul(gate, sigmoid(d, gate)), load(d, ups + i)), y + i);
    });
  }
}

template <class T, class Y>
void backward_rows(const SiluMulBackwardArgs& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const Y* dys = row_of<Y>(a.dy, r);
    const T* gates = row_of<T>(a.gate, r);
    const T* ups = row_of<T>(a.up, r);
    Y* dgate = row_of<Y>(a.dgate, r);
    Y* dup = row_of<Y>(a.dup, r);
    for_each_vector<Accumulator<T>>(a.dy.size(1), [&](auto d, std::int64_t i) HWY_ATTR {
      const auto gate = load(d, gates + i);
      const auto dy = load(d, dys + i);
      const auto one = hn::Set(d, 1);
      const auto s = sigmoid(d, gate);
      const auto slope = hn::Mul(s, hn::MulAdd(gate, hn::Sub(one, s), one));
      store(d, hn::Mul(hn::Mul(dy, load(d, ups + i)), slope), dgate + i);
      store(d, hn::Mul(dy, hn::Mul(gate, s)), dup + i);
    });
  }
}

std::int64_t rows_per_chunk(std::int64_t columns) {
  constexpr std::int64_t elements_per_chunk = 1 << 14;
  return std::max<std::int64_t>(1, elements_per_chunk / std::max<std::int64_t>(1, columns));
}

void forward(const SiluMulForwardArgs& a) {
  visit_rounded(a.gate.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    parallel_for(a.y.size(0), rows_per_chunk(a.y.size(1)),
                 [&](std::int64_t begin, std::int64_t end) { forward_rows<T, Y>(a, begin, end); });
  });
}

void backward(const SiluMulBackwardArgs& a) {
  visit_rounded(a.gate.dtype, a.dy.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    parallel_for(a.dy.size(0), rows_per_chunk(a.dy.size(1)),
                 [&](std::int64_t begin, std::int64_t end) { backward_rows<T, Y>(a, begin, end); });
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
const Registration forward_registered{silu_mul_forward, Backend::cpu,
                                      [](const SiluMulForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{silu_mul_backward, Backend::cpu,
                                       [](const SiluMulBackwardArgs& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
