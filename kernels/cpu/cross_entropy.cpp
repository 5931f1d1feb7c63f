#include "kernels/cross_entropy.h"

#include <atomic>

#include "kernels/cpu/cross_entropy_totals.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/simd_targets.h"
#include "runtime/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/cross_entropy.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/cross_entropy_rows-inl.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

std::int64_t rows_per_chunk(std::int64_t columns) {
  constexpr std::int64_t elements_per_chunk = 1 << 14;
  return std::max<std::int64_t>(1, elements_per_chunk / std::max<std::int64_t>(1, columns));
}

// Returns whether the row's prediction is right; false where that is not asked for.
template <class T>
bool forward_row(const CrossEntropyForwardArgs& a, std::int64_t r) {
  using Sum = Accumulator<T>;
  const auto target = a.targets.as<std::int64_t>()[r];
  const std::int64_t columns = a.logits.size(1);
  const T* logits = a.logits.as<T>() + r * a.logits.stride(0);
  const bool valid = target != a.ignore_index;
  const Sum maximum = valid ? largest_of(logits, columns) : 0;
  const Sum sum = valid ? sum_of_exponentials(logits, columns, maximum) : 1;
  a.maximum.as<Sum>()[r] = maximum;
  a.sum.as<Sum>()[r] = sum;
  a.nats.as<Sum>()[r] = valid ? nats_of(maximum, sum, static_cast<Sum>(logits[target])) : 0;
  return valid && a.correct.present() && is_first_largest(logits, target, maximum);
}

template <class T>
void backward_row(const CrossEntropyBackwardArgs& a, std::int64_t r) {
  using Sum = Accumulator<T>;
  const auto target = a.targets.as<std::int64_t>()[r];
  const std::int64_t columns = a.logits.size(1);
  const T* logits = a.logits.as<T>() + r * a.logits.stride(0);
  T* dlogits = a.dlogits.as<T>() + r * columns;
  if (target == a.ignore_index) {
    std::fill(dlogits, dlogits + columns, T{});
    return;
  }
  const Sum dloss = *a.dloss_sum.as<Sum>();
  const Sum maximum = a.maximum.as<Sum>()[r];
  const Sum scale = dloss / a.sum.as<Sum>()[r];
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t v) HWY_ATTR {
    const auto e = exp_of_negative(d, hn::Sub(load(d, logits + v), hn::Set(d, maximum)));
    store(d, hn::Mul(e, hn::Set(d, scale)), dlogits + v);
  });
  const Sum e = std::exp(static_cast<Sum>(logits[target]) - maximum);
  dlogits[target] = static_cast<T>(e * scale - dloss);
}

void forward(const CrossEntropyForwardArgs& a) {
  const std::int64_t rows = a.logits.size(0);
  check_indices("cross_entropy", "target", a.targets, a.logits.size(1), a.ignore_index);
  std::atomic<std::int64_t> correct = 0;
  visit_floating(a.logits.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(rows, rows_per_chunk(a.logits.size(1)), [&](std::int64_t begin, std::int64_t end) {
      std::int64_t here = 0;
      for (auto r = begin; r < end; ++r) here += forward_row<T>(a, r) ? 1 : 0;
      correct += here;
    });
    *a.loss_sum.as<Accumulator<T>>() = sum_of_nats(a.nats.as<Accumulator<T>>(), rows);
  });
  *a.count.as<std::int64_t>() = count_valid(a.targets, a.ignore_index);
  if (a.correct.present()) *a.correct.as<std::int64_t>() = correct;
}

void backward(const CrossEntropyBackwardArgs& a) {
  visit_floating(a.logits.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(a.logits.size(0), rows_per_chunk(a.logits.size(1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto r = begin; r < end; ++r) backward_row<T>(a, r);
                 });
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
const Registration forward_registered{cross_entropy_forward, Backend::cpu,
                                      [](const CrossEntropyForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{cross_entropy_backward, Backend::cpu,
                                       [](const CrossEntropyBackwardArgs& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
