#include "kernels/adamw.h"

#include <cmath>

#include "kernels/cpu/simd_targets.h"
#include "kernels/cpu/tensor_list.h"
#include "runtime/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adamw.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

template <class T>
void step_chunk(const AdamWStep& a, const AdamWNumbers& numbers, const ListChunk& chunk) {
  T* w = a.parameters[chunk.tensor].as<T>() + chunk.begin;
  T* m = a.first_moments[chunk.tensor].as<T>() + chunk.begin;
  T* v = a.second_moments[chunk.tensor].as<T>() + chunk.begin;
  const T* gradient = a.gradients[chunk.tensor].as<T>() + chunk.begin;
  BFloat16* rounded = nullptr;
  if (!a.rounded.empty() && a.rounded[chunk.tensor].present()) {
    rounded = a.rounded[chunk.tensor].as<BFloat16>() + chunk.begin;
  }
  const auto number = [](double x) { return static_cast<T>(x); };
  const T rate = number(numbers.learning_rate / numbers.correction1);
  const T keep = number(1 - numbers.learning_rate * a.decay[chunk.tensor]);
  for_each_vector<T>(chunk.end - chunk.begin, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto g = hn::Mul(load(d, gradient + i), hn::Set(d, number(numbers.gradient_scale)));
    const auto first = hn::MulAdd(load(d, m + i), hn::Set(d, number(a.beta1)),
                                  hn::Mul(g, hn::Set(d, number(1 - a.beta1))));
    const auto second = hn::MulAdd(load(d, v + i), hn::Set(d, number(a.beta2)),
                                   hn::Mul(hn::Mul(g, g), hn::Set(d, number(1 - a.beta2))));
    const auto root = hn::Sqrt(hn::Div(second, hn::Set(d, number(numbers.correction2))));
    const auto move =
        hn::Div(hn::Mul(first, hn::Set(d, rate)), hn::Add(root, hn::Set(d, number(a.epsilon))));
    const auto kept = hn::Mul(load(d, w + i), hn::Set(d, keep));
    store(d, first, m + i);
    store(d, second, v + i);
    const auto moved = hn::Sub(kept, move);
    store(d, moved, w + i);
    if constexpr (std::is_same_v<T, float>) {
      if (rounded != nullptr) store(d, moved, rounded + i);
    }
  });
}

void update(const AdamWStep& a) {
  auto numbers = adamw_numbers(a.numbers.as<double>());
  if (a.norm.present()) {
    const double norm = *a.norm.as<double>();
    if (!std::isfinite(norm)) return;
    numbers.gradient_scale = clipped_scale(numbers.gradient_scale, a.max_norm, norm);
  }
  const auto chunks = chunks_of(a.parameters, list_chunk_elements);
  parallel_for(static_cast<std::int64_t>(chunks.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto c = begin; c < end; ++c) {
                   const auto& chunk = chunks[static_cast<std::size_t>(c)];
                   if (a.parameters[chunk.tensor].dtype == DType::f64) {
                     step_chunk<double>(a, numbers, chunk);
                   } else {
                     step_chunk<float>(a, numbers, chunk);
                   }
                 }
               });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

HWY_EXPORT(update);
const Registration registered{adamw_step, Backend::cpu, [](const AdamWStep& a) {
                                HWY_DYNAMIC_DISPATCH(update)(a);
                              }};

}  // namespace
}  // namespace lookback::kernels
#endif
