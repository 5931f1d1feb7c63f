// What one thread does for linear attention on a GPU: one number of a result, for every head size,
// dtype and stride.
#pragma once

#include "kernels/cuda/device/device.h"
#include "kernels/linear_attention_shape.h"

namespace lookback::kernels {

// The rows of an operand; absent: 1 everywhere. With divisors [B, H, T] each row is divided by its
// own.
template <class Element, class Sum>
struct HeadValues {
  HeadRows<const Element> rows;
  const Sum* divisor = nullptr;

  LOOKBACK_DEVICE Sum at(const ChunkedShape& shape, std::int64_t sequence, std::int64_t token,
                         std::int64_t key_head, std::int64_t head_in_group,
                         std::int64_t column) const {
    if (rows.data == nullptr) return Sum(1);
    const auto value = static_cast<Sum>(rows.at(sequence, token, key_head, head_in_group)[column]);
    if (divisor == nullptr) return value;
    return value /
           divisor[shape.row_number(sequence, key_head * shape.group + head_in_group, token)];
  }
};

// Each chunk's own sum of x^T y over its rows and `heads` heads of the group, [B, G, chunks, K, V].
template <class Sum, class X, class Y>
struct ChunkSums {
  static constexpr int threads = 256;
  ChunkedShape shape;
  X x;
  Y y;
  std::int64_t heads, count;
  Sum* sums;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    const auto numbers = shape.state_numbers();
    const ChunkPlace place(shape, index / numbers);
    const auto row = index % numbers / shape.value_width, column = index % shape.value_width;
    const auto first = shape.first_of(place.number), last = first + shape.rows_of(place.number);
    Sum sum = 0;
    for (std::int64_t head = 0; head < heads; ++head) {
      for (auto t = first; t < last; ++t) {
        sum = device::fma(x.at(shape, place.sequence, t, place.key_head, head, row),
                          y.at(shape, place.sequence, t, place.key_head, head, column), sum);
      }
    }
    sums[index] = sum;
  }
};

// What each chunk holds becomes the sum of those before it, or behind it, and of `before`.
template <class Sum>
struct SumOfOthers {
  static constexpr int threads = 256;
  std::int64_t chunks, numbers, count;  // count: of sequences, key heads and numbers
  Sum* sums;
  const Sum* before;
  Sum* after;
  bool from_behind;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    Sum total = before == nullptr ? Sum(0) : before[index];
    Sum* first = sums + index / numbers * chunks * numbers + index % numbers;
    for (std::int64_t i = 0; i < chunks; ++i) {
      Sum* at = first + (from_behind ? chunks - 1 - i : i) * numbers;
      const Sum own = *at;
      *at = total;
      total += own;
    }
    if (after != nullptr) after[index] = total;
  }
};

// The products of row t and of the rows of its chunk up to t, 0 behind it: [B, H, T, 64].
template <class Sum, class X, class Y>
struct ChunkProducts {
  static constexpr int threads = 256;
  ChunkedShape shape;
  X x;
  Y y;
  std::int64_t columns, count;
  Sum* products;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    const auto row = index / ChunkedShape::chunk, in_chunk = index % ChunkedShape::chunk;
    const auto token = row % shape.tokens, head = row / shape.tokens % shape.heads();
    const auto sequence = row / shape.tokens / shape.heads();
    Sum sum = 0;
    if (in_chunk <= token % ChunkedShape::chunk) {
      const auto other = token / ChunkedShape::chunk * ChunkedShape::chunk + in_chunk;
      const auto key_head = head / shape.group, in_group = head % shape.group;
      for (std::int64_t d = 0; d < columns; ++d) {
        sum = device::fma(x.at(shape, sequence, token, key_head, in_group, d),
                          y.at(shape, sequence, other, key_head, 0, d), sum);
      }
    }
    products[index] = sum;
  }
};

// How a number of a state is found: by a column of what it is multiplied with, and of the result.
struct StateSteps {
  std::int64_t operand, result;
  std::int64_t operand_width, result_width;
};

// y[t] = (sum of the chunk's rows up to t, by the products; x[t] times the state; `added`)
// / divisor[t]
template <class Sum, class X, class Past, class Result>
struct FromPast {
  static constexpr int threads = 256;
  ChunkedShape shape;
  StateSteps steps;
  X x;
  Past past;
  const Sum *products, *states, *divisor;
  Sum added;
  HeadRows<Result> y;
  std::int64_t count;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    const auto column = index % steps.result_width, row = index / steps.result_width;
    const auto head = row % shape.heads(), token = row / shape.heads() % shape.tokens;
    const auto sequence = row / shape.heads() / shape.tokens;
    const auto key_head = head / shape.group, in_group = head % shape.group;
    const auto number = token / ChunkedShape::chunk, first = number * ChunkedShape::chunk;
    const auto own = shape.row_number(sequence, head, token);
    Sum sum = added;
    const Sum* state =
        states +
        ((sequence * shape.key_heads + key_head) * shape.chunks + number) * shape.state_numbers() +
        column * steps.result;
    for (std::int64_t d = 0; d < steps.operand_width; ++d) {
      sum = device::fma(x.at(shape, sequence, token, key_head, in_group, d),
                        state[d * steps.operand], sum);
    }
    const Sum* product = products + own * ChunkedShape::chunk;
    for (auto s = first; s <= token; ++s) {
      sum = device::fma(product[s - first], past.at(shape, sequence, s, key_head, 0, column), sum);
    }
    if (divisor != nullptr) sum /= divisor[own];
    y.at(sequence, token, key_head, in_group)[column] = static_cast<Result>(sum);
  }
};

// y[s] = sum over the heads of the group of the chunk's rows from s on, by the products;
// plus x[s] times the rest.
template <class Sum, class X, class Later, class Result>
struct FromRest {
  static constexpr int threads = 256;
  ChunkedShape shape;
  StateSteps steps;
  X x;
  Later later;
  const Sum *products, *rests;
  HeadRows<Result> y;
  std::int64_t count;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    const auto column = index % steps.result_width, row = index / steps.result_width;
    const auto key_head = row % shape.key_heads, token = row / shape.key_heads % shape.tokens;
    const auto sequence = row / shape.key_heads / shape.tokens;
    const auto number = token / ChunkedShape::chunk, first = number * ChunkedShape::chunk;
    const auto last = first + shape.rows_of(number);
    Sum sum = 0;
    const Sum* rest =
        rests +
        ((sequence * shape.key_heads + key_head) * shape.chunks + number) * shape.state_numbers() +
        column * steps.result;
    for (std::int64_t d = 0; d < steps.operand_width; ++d) {
      sum = device::fma(x.at(shape, sequence, token, key_head, 0, d), rest[d * steps.operand], sum);
    }
    for (std::int64_t head = 0; head < shape.group; ++head) {
      for (auto t = token; t < last; ++t) {
        const auto own = shape.row_number(sequence, key_head * shape.group + head, t);
        sum = device::fma(products[own * ChunkedShape::chunk + token - first],
                          later.at(shape, sequence, t, key_head, head, column), sum);
      }
    }
    y.at(sequence, token, key_head, 0)[column] = static_cast<Result>(sum);
  }
};

// y[b, h, t] = -(x . z) of each row.
template <class Sum, class X, class Z>
struct NegativeRowDots {
  static constexpr int threads = 256;
  ChunkedShape shape;
  X x;
  Z z;
  std::int64_t count;
  Sum* y;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    const auto token = index % shape.tokens, head = index / shape.tokens % shape.heads();
    const auto sequence = index / shape.tokens / shape.heads();
    const auto key_head = head / shape.group, in_group = head % shape.group;
    Sum sum = 0;
    for (std::int64_t d = 0; d < shape.value_width; ++d) {
      sum = device::fma(x.at(shape, sequence, token, key_head, in_group, d),
                        z.at(shape, sequence, token, key_head, in_group, d), sum);
    }
    y[index] = -sum;
  }
};

}  // namespace lookback::kernels
