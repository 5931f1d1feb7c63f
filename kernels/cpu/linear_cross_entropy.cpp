#include "kernels/linear_cross_entropy.h"

#include <atomic>

#include "kernels/cpu/cross_entropy_totals.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/simd_targets.h"
#include "runtime/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_cross_entropy.cpp"
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

// dlogits[v] = e[v] / sum - (v = target); dlogits may be e.
template <class T>
void write_gradient(const Accumulator<T>* e, Accumulator<T> sum, std::int64_t columns,
                    std::int64_t target, T* dlogits) {
  using Sum = Accumulator<T>;
  const Sum scale = 1 / sum;
  const Sum at_target = e[target] * scale - 1;
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t v) HWY_ATTR {
    store(d, hn::Mul(load(d, e + v), hn::Set(d, scale)), dlogits + v);
  });
  dlogits[target] = static_cast<T>(at_target);
}

// Rows begin .. of the problem, whose logits are the first rows of a.logits.
template <class T>
class Chunk {
 public:
  using Sum = Accumulator<T>;

  Chunk(const LinearCrossEntropyForwardArgs& arguments, std::int64_t first_row)
      : a_(arguments),
        begin_(first_row),
        rows_(std::min(a_.logits.size(0), a_.x.size(0) - first_row)),
        vocabulary_(a_.weight.size(0)),
        dimension_(a_.x.size(1)) {
    if (!a_.dx.present() && !a_.dweight.present()) return;
    if constexpr (std::is_same_v<T, Sum>) {
      dlogits_ = a_.logits.template as<T>();
    } else {
      dlogits_ = a_.rounded_dlogits.template as<T>();
    }
  }

  // Returns how many predictions are right; 0 where that is not asked for.
  std::int64_t run() const {
    gemm(Gemm<T, Sum>{.m = rows_,
                      .n = vocabulary_,
                      .k = dimension_,
                      .a = x(),
                      .a_stride = a_.x.stride(0),
                      .b = weight(),
                      .b_stride = a_.weight.stride(0),
                      .b_layout = Layout::transposed,
                      .c = a_.logits.template as<Sum>(),
                      .c_stride = vocabulary_});
    std::atomic<std::int64_t> correct = 0;
    const auto at_once =
        std::max<std::int64_t>(1, (1 << 14) / std::max<std::int64_t>(1, vocabulary_));
    parallel_for(rows_, at_once, [&](std::int64_t from, std::int64_t to) {
      std::int64_t here = 0;
      for (auto r = from; r < to; ++r) here += finish_row(r) ? 1 : 0;
      correct += here;
    });
    if (a_.dx.present()) {
      gemm(Gemm<T, Sum>{.m = rows_,
                        .n = dimension_,
                        .k = vocabulary_,
                        .a = dlogits_,
                        .a_stride = vocabulary_,
                        .b = weight(),
                        .b_stride = a_.weight.stride(0),
                        .c = a_.dx.template as<Sum>() + begin_ * dimension_,
                        .c_stride = dimension_});
    }
    if (a_.dweight.present()) {
      gemm(Gemm<T, Sum>{.m = vocabulary_,
                        .n = dimension_,
                        .k = rows_,
                        .a = dlogits_,
                        .a_stride = vocabulary_,
                        .a_layout = Layout::transposed,
                        .b = x(),
                        .b_stride = a_.x.stride(0),
                        .c = a_.dweight.template as<Sum>(),
                        .c_stride = dimension_,
                        .into = begin_ == 0 ? Into::overwrite : Into::sum});
    }
    return correct;
  }

 private:
  const T* x() const { return a_.x.template as<T>() + begin_ * a_.x.stride(0); }
  const T* weight() const { return a_.weight.template as<T>(); }

  // From the logits of one row to its nats and gradient; returns whether its prediction is right.
  bool finish_row(std::int64_t r) const {
    const auto target = a_.targets.template as<std::int64_t>()[begin_ + r];
    Sum* logits = a_.logits.template as<Sum>() + r * vocabulary_;
    T* gradient = dlogits_ == nullptr ? nullptr : dlogits_ + r * vocabulary_;
    Sum& nats = a_.nats.template as<Sum>()[begin_ + r];
    if (target == a_.ignore_index) {
      nats = 0;
      if (gradient != nullptr) std::fill(gradient, gradient + vocabulary_, T{});
      return false;
    }
    const Sum maximum = largest_of(logits, vocabulary_);
    const Sum target_logit = logits[target];
    const bool correct = a_.correct.present() && is_first_largest(logits, target, maximum);
    Sum sum;
    if (gradient == nullptr) {
      sum = sum_of_exponentials(logits, vocabulary_, maximum);
    } else {
      sum = replace_by_exponentials(logits, vocabulary_, maximum);
      write_gradient(logits, sum, vocabulary_, target, gradient);
    }
    nats = nats_of(maximum, sum, target_logit);
    return correct;
  }

  const LinearCrossEntropyForwardArgs& a_;
  std::int64_t begin_, rows_, vocabulary_, dimension_;
  T* dlogits_ = nullptr;
};

template <class T>
void forward_of(const LinearCrossEntropyForwardArgs& a) {
  using Sum = Accumulator<T>;
  const std::int64_t rows = a.x.size(0);
  std::int64_t correct = 0;
  for (std::int64_t begin = 0; begin < rows; begin += a.logits.size(0)) {
    correct += Chunk<T>(a, begin).run();
  }
  if (rows == 0 && a.dweight.present()) {
    std::fill(a.dweight.as<Sum>(), a.dweight.as<Sum>() + a.dweight.numel(), Sum{});
  }
  *a.loss_sum.as<Sum>() = sum_of_nats(a.nats.as<Sum>(), rows);
  *a.count.as<std::int64_t>() = count_valid(a.targets, a.ignore_index);
  if (a.correct.present()) *a.correct.as<std::int64_t>() = correct;
}

void forward(const LinearCrossEntropyForwardArgs& a) {
  check_indices("linear_cross_entropy", "target", a.targets, a.weight.size(0), a.ignore_index);
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) { forward_of<T>(a); });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

HWY_EXPORT(forward);
const Registration forward_registered{linear_cross_entropy_forward, Backend::cpu,
                                      [](const LinearCrossEntropyForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};

}  // namespace
}  // namespace lookback::kernels
#endif
