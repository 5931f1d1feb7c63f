// The softmax of a row of logits as cross entropy wants it, from one look at each of them.
#pragma once

#include <cmath>

#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// The largest of some logits, the first place where it is, and sum e^(logit - largest). NaN is
// larger than any number and makes the sum NaN.
template <class Sum>
struct Exponentials {
  Sum largest, sum;
  std::int64_t first;
};

// What is subtracted from the logits: nothing while all are -inf.
template <class Sum>
LOOKBACK_DEVICE Sum base_of(Sum largest) {
  return largest == -INFINITY ? Sum(0) : largest;
}

// Of some more logits, which begin at `column`: the sum is scaled whenever a larger one comes.
template <class Sum, class T, int width>
LOOKBACK_DEVICE void add_pack(Exponentials<Sum>& to, const Pack<T, width>& pack,
                              std::int64_t column) {
  Sum largest = to.largest;
  LOOKBACK_UNROLL
  for (int i = 0; i < width; ++i) {
    const auto value = static_cast<Sum>(pack.element[i]);
    if (value > largest) to.first = column + i;
    largest = device::Larger{}(largest, value);
  }
  const Sum base = base_of(largest);
  if (largest != to.largest) to.sum *= device::exp(to.largest - base);
  LOOKBACK_UNROLL
  for (int i = 0; i < width; ++i) {
    to.sum += device::exp(static_cast<Sum>(pack.element[i]) - base);
  }
  to.largest = largest;
}

// Of all threads of a group (rows.h).
template <class Sum, class Group>
LOOKBACK_DEVICE Exponentials<Sum> joined(const Group& group, const Exponentials<Sum>& own) {
  Exponentials<Sum> all;
  all.largest = group.reduce(own.largest, device::Larger{});
  all.sum = group.reduce(own.sum * device::exp(own.largest - base_of(all.largest)), device::Plus{});
  all.first =
      group.reduce(own.largest == all.largest ? own.first : group.columns, device::Smaller{});
  return all;
}

// In double, from numbers of like size: no digit of a small loss is lost to a large maximum.
template <class Sum>
LOOKBACK_DEVICE Sum nats_of(const Exponentials<Sum>& row, Sum at_target) {
  const auto gap = static_cast<double>(row.largest) - static_cast<double>(at_target);
  return static_cast<Sum>(gap + device::log(static_cast<double>(row.sum)));
}

}  // namespace lookback::kernels
