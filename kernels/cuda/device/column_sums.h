// Sums down the columns of a matrix of any strides, in an order that its sizes determine. For .cu
// files.
#pragma once

#include "kernels/core/reduction_plan.h"
#include "kernels/cuda/device/device.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

// Where elements lie that are all equally far apart.
struct EvenSteps {
  std::int64_t step = 0;
  LOOKBACK_DEVICE std::int64_t offset(std::int64_t index) const { return index * step; }
};

// Where the elements of a nest lie.
struct NestSteps {
  int rank = 0;
  std::int64_t sizes[Shape::max_rank] = {};
  std::int64_t steps[Shape::max_rank] = {};

  explicit NestSteps(const Nest& nest) : rank(nest.sizes.rank()) {
    for (int dim = 0; dim < rank; ++dim) {
      sizes[dim] = nest.sizes[dim];
      steps[dim] = nest.strides[dim];
    }
  }

  LOOKBACK_DEVICE std::int64_t offset(std::int64_t index) const {
    std::int64_t result = 0;
    for (int dim = rank - 1; dim > 0; --dim) {
      const auto outer = index / sizes[dim];
      result += (index - outer * sizes[dim]) * steps[dim];
      index = outer;
    }
    return rank == 0 ? 0 : result + index * steps[0];
  }
};

template <class T>
LOOKBACK_DEVICE T scaled_total(Accumulator<T> total, Accumulator<T> scale) {
  if constexpr (is_floating(dtype_of<T>)) {
    return static_cast<T>(total * scale);
  } else {
    return static_cast<T>(total);
  }
}

// y[segment, c] = scale * sum of x[t, c] over the terms t of the segment (integers: scale left
// out). 32 columns per block: each of the warps takes every eighth term, and what they have is
// added up in order.
template <class X, class Y, class Steps>
struct ColumnSums {
  static constexpr int threads = 256;
  static constexpr int block_columns = device::warp_threads;
  static constexpr int warps = threads / block_columns;
  using Sum = Accumulator<X>;
  static constexpr std::size_t shared_bytes = threads * sizeof(Sum);
  static constexpr int ahead = 8;  // terms under way at the same time

  const X* x;
  Y* y;  // [segments, columns]
  std::int64_t columns, terms, terms_per_segment;
  Steps column_steps, term_steps;
  Sum scale;

  std::int64_t column_blocks() const { return device::blocks_for(columns, block_columns); }

  LOOKBACK_DEVICE void operator()() const {
    auto* parts = reinterpret_cast<Sum*>(device::shared_memory());
    const int lane = device::thread_index() % block_columns;
    const int warp = device::thread_index() / block_columns;
    // No grid has more than 2^31 blocks.
    const auto blocks = static_cast<std::uint32_t>((columns + block_columns - 1) / block_columns);
    const std::int64_t segment = static_cast<std::uint32_t>(device::block_index()) / blocks;
    const auto column = (device::block_index() - segment * blocks) * block_columns + lane;
    const auto begin = segment * terms_per_segment;
    const auto end = begin + terms_per_segment < terms ? begin + terms_per_segment : terms;
    Sum total = 0;
    if (column < columns) {
      const X* at = x + column_steps.offset(column);
      for (auto first = begin + warp; first < end; first += warps * ahead) {
        X terms_ahead[ahead];
        LOOKBACK_UNROLL
        for (int j = 0; j < ahead; ++j) {
          const auto t = first + j * warps;
          terms_ahead[j] = at[term_steps.offset(t < end ? t : first)];
        }
        LOOKBACK_UNROLL
        for (int j = 0; j < ahead; ++j) {
          if (first + j * warps < end) total += static_cast<Sum>(terms_ahead[j]);
        }
      }
    }
    parts[warp * block_columns + lane] = total;
    device::sync_block();
    if (warp != 0 || column >= columns) return;
    for (int other = 1; other < warps; ++other) total += parts[other * block_columns + lane];
    y[segment * columns + column] = scaled_total<Y>(total, static_cast<Accumulator<Y>>(scale));
  }
};

// Runs it for all segments.
template <class X, class Y, class Steps>
void launch_column_sums(const ColumnSums<X, Y, Steps>& kernel, std::int64_t segments) {
  device::launch({.blocks = kernel.column_blocks() * segments, .shared_bytes = kernel.shared_bytes},
                 kernel);
}

// y[c] = scale * sum of the rows of x [rows, columns], dense.
template <class X, class Y>
void sum_dense_columns(const X* x, Y* y, std::int64_t rows, std::int64_t columns,
                       Accumulator<X> scale) {
  launch_column_sums(ColumnSums<X, Y, EvenSteps>{x, y, columns, rows, rows, {1}, {columns}, scale},
                     1);
}

}  // namespace lookback::kernels
