// The sums over the keys or the query rows of a band that composed attention on a GPU ends with.
#pragma once

#include "kernels/cuda/attention/composed_pairs.h"

namespace lookback::kernels {

// to[b, t, h, :] = scale sum_s numbers[b, h, t, s] values[b, s, g(h), :]; a thread for each number.
template <class T>
struct SumOverSeenKeys {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  const Sum* numbers;
  HeadRows<const T> values;
  const Sum* scale;  // absent: 1
  HeadRows<T> to;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto column = item % values.width, place = item / values.width;
    const auto head = place % x.heads(), i = place / x.heads() % x.band.rows;
    const auto sequence = place / x.heads() / x.band.rows;
    const auto key_head = head / x.shape.group, head_in_group = head % x.shape.group;
    const auto seen = x.shape.keys_of(sequence, x.band.first + i);
    const Sum* row = numbers + x.row_at(sequence, head, i);
    Sum sum = 0;
    for (auto s = seen.first; s < seen.last; ++s) {
      if (!x.shape.visible.plain() && !x.sees(sequence, i, s)) continue;
      sum = device::fma(row[s], static_cast<Sum>(values.at(sequence, s, key_head, 0)[column]), sum);
    }
    to.at(sequence, x.band.first + i, key_head, head_in_group)[column] =
        static_cast<T>(scale == nullptr ? sum : *scale * sum);
  }
};
template <class T>
void sum_over_seen_keys(const SumOverSeenKeys<T>& sum) {
  const auto& x = sum.x;
  for_each_item(x.shape.sequences * x.band.rows * x.shape.heads() * sum.values.width, sum);
}

// to[b, s, g, :] += scale sum over the heads of the group and the band's rows that see s of
// numbers[b, h, t, s] rows[b, t, h, :]
template <class T>
struct SumOverBandRows {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  const Sum* numbers;
  HeadRows<const T> rows;
  const Sum* scale;  // absent: 1
  Sum* to;           // [B, S, G, width]

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto column = item % rows.width, place = item / rows.width;
    const auto key_head = place % x.shape.key_heads;
    const auto key = place / x.shape.key_heads % x.shape.keys;
    const auto sequence = place / x.shape.key_heads / x.shape.keys;
    Sum sum = 0;
    for (std::int64_t j = 0; j < x.shape.group; ++j) {
      const Sum* column_of_numbers =
          numbers + x.row_at(sequence, key_head * x.shape.group + j, 0) + key;
      for (std::int64_t i = 0; i < x.band.rows; ++i) {
        if (!x.sees(sequence, i, key)) continue;
        const T* row = rows.at(sequence, x.band.first + i, key_head, j);
        sum = device::fma(column_of_numbers[i * x.shape.keys], static_cast<Sum>(row[column]), sum);
      }
    }
    to[item] += scale == nullptr ? sum : *scale * sum;
  }
};
template <class T>
void sum_over_band_rows(const SumOverBandRows<T>& sum) {
  for_each_item(sum.x.shape.all_keys() * sum.rows.width, sum);
}

// What a step of composing gives to its mixing.
template <class T>
struct ComposedStep {
  using Sum = Accumulator<T>;
  std::int64_t which;
  const Sum* composed;
  const Sum* gradient;
  PairSums<T> sums;

  // The gradient of number n of the mixing [2 R + 1, H] of a side, from one pair.
  LOOKBACK_DEVICE Sum product(const ComposedOperands<T>& x, int side, std::int64_t n,
                              std::int64_t sequence, std::int64_t i, std::int64_t key) const {
    const auto heads = x.heads(), r = n / heads, head = n % heads;
    const auto at = x.row_at(sequence, head, i) + key;
    if (r == 2 * x.rank) return composed[at] * gradient[at];
    const bool out = r >= x.rank;
    const Sum sum =
        sums.data[sums.at(x, sequence, side, out ? r - x.rank : r, out ? 0 : 1, i, key)];
    return sum * (out ? gradient[at] : composed[at]);
  }
};

// A thread for each number of the band's query mixing; it is written.
template <class T>
struct QueryMixingGradient {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  ComposedStep<T> step;
  MixingRows<Sum> to;
  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto n = item % to.numbers, place = item / to.numbers;
    const auto i = place % x.band.rows, sequence = place / x.band.rows;
    const auto seen = x.shape.keys_of(sequence, x.band.first + i);
    Sum sum = 0;
    for (auto s = seen.first; s < seen.last; ++s) sum += step.product(x, 0, n, sequence, i, s);
    to.at(sequence, x.band.first + i, step.which)[n] = sum;
  }
};
// A thread for each number of the key mixing; it is added to.
template <class T>
struct KeyMixingGradient {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  ComposedStep<T> step;
  MixingRows<Sum> to;
  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto n = item % to.numbers, place = item / to.numbers;
    const auto key = place % x.shape.keys, sequence = place / x.shape.keys;
    Sum sum = 0;
    for (std::int64_t i = 0; i < x.band.rows; ++i) {
      if (x.sees(sequence, i, key)) sum += step.product(x, 1, n, sequence, i, key);
    }
    to.at(sequence, key, step.which)[n] += sum;
  }
};
// A block for each number of the fixed mixing; it is added to.
template <class T>
struct FixedMixingGradient {
  static constexpr int threads = 256;
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  ComposedStep<T> step;
  Sum* to;  // [2, H, H]
  LOOKBACK_DEVICE void operator()() const {
    const auto heads = x.heads(), number = device::block_index();
    const auto from = number / heads, into = number % heads;
    const auto count = x.shape.sequences * x.band.rows * x.shape.keys;
    Sum sum = 0;
    for (std::int64_t pair = device::thread_index(); pair < count; pair += threads) {
      const auto key = pair % x.shape.keys, row = pair / x.shape.keys;
      const auto i = row % x.band.rows, sequence = row / x.band.rows;
      sum = device::fma(step.composed[x.row_at(sequence, from, i) + key],
                        step.gradient[x.row_at(sequence, into, i) + key], sum);
    }
    sum = device::reduce_block<threads>(sum, reinterpret_cast<Sum*>(device::shared_memory()),
                                        device::Plus{});
    if (device::thread_index() == 0) to[step.which * heads * heads + number] += sum;
  }
};

// The gradients of all that composes, from one step of one band.
template <class T>
struct MixingGradients {
  using Sum = Accumulator<T>;
  MixingRows<Sum> query, key;
  Sum* fixed;  // absent: none
  void add(const ComposedOperands<T>& x, const ComposedStep<T>& step) const {
    for_each_item(x.shape.sequences * x.band.rows * query.numbers,
                  QueryMixingGradient<T>{x, step, query});
    for_each_item(x.shape.sequences * x.shape.keys * key.numbers,
                  KeyMixingGradient<T>{x, step, key});
    if (fixed == nullptr) return;
    using Kernel = FixedMixingGradient<T>;
    device::launch({.blocks = x.shape.heads() * x.shape.heads(),
                    .shared_bytes = Kernel::threads / device::warp_threads * sizeof(Sum)},
                   Kernel{x, step, fixed});
  }
};

}  // namespace lookback::kernels
