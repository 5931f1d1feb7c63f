#include "kernels/cuda/attention/composed_sums.h"

namespace lookback::kernels {
namespace {

template <class Sum>
struct Clear {
  Sum* y;
  LOOKBACK_DEVICE void operator()(std::int64_t item) const { y[item] = 0; }
};
template <class T>
struct Round {
  const Accumulator<T>* x;
  T* y;
  LOOKBACK_DEVICE void operator()(std::int64_t item) const { y[item] = static_cast<T>(x[item]); }
};

// The workspace: four buffers of a band's numbers, the sums of its pairs, and what the keys and
// values receive from all bands.
template <class T>
struct Workspace {
  using Sum = Accumulator<T>;
  std::int64_t band, sums, keys, values;

  explicit Workspace(const ComposedAttentionBackwardArgs& a) {
    const auto x = composed_operands<T>(a);
    band = x.numbers();
    sums = x.shape.sequences * 4 * x.rank * x.band.step * x.shape.keys;
    keys = a.k.numel();
    values = a.v.present() ? a.v.numel() : 0;
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(4 * band + sums + keys + values) * sizeof(Sum);
  }
};

template <class T>
class Backward {
 public:
  explicit Backward(const ComposedAttentionBackwardArgs& arguments)
      : a_(arguments),
        operands_(composed_operands<T>(a_)),
        sizes_(a_),
        group_(operands_.shape.group),
        mixing_{mixing_rows<Sum>(a_.dquery_mixing), mixing_rows<Sum>(a_.dkey_mixing),
                a_.dfixed_mixing.as<Sum>()} {
    scores_ = a_.workspace.as<Sum>();
    weights_ = scores_ + sizes_.band;
    gradient_ = weights_ + sizes_.band;
    other_ = gradient_ + sizes_.band;
    sums_.data = other_ + sizes_.band;
    dk_ = sums_.data + sizes_.sums;
    dv_ = dk_ + sizes_.keys;
  }

  void run() const {
    for_each_item(sizes_.keys + sizes_.values, Clear<Sum>{dk_});
    for_each_item(a_.dkey_mixing.numel(), Clear<Sum>{a_.dkey_mixing.as<Sum>()});
    if (a_.dfixed_mixing.present()) {
      for_each_item(a_.dfixed_mixing.numel(), Clear<Sum>{a_.dfixed_mixing.as<Sum>()});
    }
    for_each_band(operands_, [&](const ComposedOperands<T>& x) { band(x); });
    for_each_item(sizes_.keys, Round<T>{dk_, a_.dk.as<T>()});
    for_each_item(sizes_.values, Round<T>{dv_, a_.dv.as<T>()});
  }

 private:
  using Sum = Accumulator<T>;

  void band(const ComposedOperands<T>& x) const {
    const auto rows = x.shape.sequences * x.shape.heads() * x.band.rows;
    make_weights(x, scores_, weights_);
    const auto dy = rows_of_heads<const T>(a_.dy, group_);
    if (a_.v.present()) {
      auto* composed = gradient_;
      for_each_item(x.pairs(), ComposePairs<T>{x, 1, weights_, composed});
      sum_over_band_rows<T>({x, composed, dy, nullptr, dv_});
    }
    for_each_item(rows * x.shape.keys, PairNumbers<T, PairNumber::weight_gradient>{
                                           x, gradient_, dy, a_.dweights.as<T>()});
    for_each_item(x.pairs(), ComposePairsGradient<T>{x, 1, weights_, gradient_, other_, sums_});
    mixing_.add(x, {1, weights_, gradient_, sums_});
    for_each_item(rows * device::warp_threads, SoftmaxGradientOfRows<T>{x, weights_, other_});
    for_each_item(x.pairs(), ComposePairsGradient<T>{x, 0, scores_, other_, gradient_, sums_});
    mixing_.add(x, {0, scores_, other_, sums_});
    if (a_.form.soft_cap > 0) {
      for_each_item(rows * x.shape.keys,
                    PairNumbers<T, PairNumber::cap_gradient>{x, gradient_, {}, nullptr});
    }
    sum_over_seen_keys<T>({x, gradient_, x.k, x.scale, rows_of_heads<T>(a_.dq, group_)});
    sum_over_band_rows<T>({x, gradient_, x.q, x.scale, dk_});
  }

  const ComposedAttentionBackwardArgs& a_;
  const ComposedOperands<T> operands_;
  const Workspace<T> sizes_;
  const std::int64_t group_;
  const MixingGradients<T> mixing_;
  Sum* scores_;
  Sum* weights_;
  Sum* gradient_;
  Sum* other_;
  PairSums<T> sums_;
  Sum* dk_;
  Sum* dv_;
};

void backward(const ComposedAttentionBackwardArgs& a) {
  visit_floating(a.q.dtype, [&]<class T>(TypeTag<T>) { Backward<T>(a).run(); });
}
std::size_t workspace_bytes(const ComposedAttentionBackwardArgs& a) {
  return visit_floating(a.q.dtype, [&]<class T>(TypeTag<T>) { return Workspace<T>(a).bytes(); });
}

const Registration registered{composed_attention_backward, Backend::cuda, backward,
                              workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
