// The choices are sorted by their experts, on the GPU: the host does not know how many there are of
// each. A block then computes a tile of one expert's rows.
#include "kernels/expert_linear.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/index_report.h"
#include "kernels/cuda/device/sort_keys.h"

namespace lookback::kernels {
namespace {

// A tile of a result: 32 x 32 numbers, four of one column for each thread, summed in steps.
constexpr int tile = 32, step = 16, tile_threads = 256, rows_apart = tile_threads / tile,
              rows_per_thread = tile / rows_apart;

// Both operands of a step: left [tile][step], right [step][tile].
template <class Sum>
struct Steps {
  Sum* left;
  Sum* right;
  static constexpr std::size_t bytes = 2 * tile * step * sizeof(Sum);

  LOOKBACK_DEVICE Steps()
      : left(reinterpret_cast<Sum*>(device::shared_memory())), right(left + tile * step) {}

  // sums[j] += row rows_apart j + thread / tile of left times column thread % tile of right, after
  // every thread has put its share of both there.
  template <class Left, class Right>
  LOOKBACK_DEVICE void add_product(const Left& left_at, const Right& right_at,
                                   Sum (&sums)[rows_per_thread]) const {
    const int thread = device::thread_index();
    device::sync_block();
    for (int i = thread; i < tile * step; i += tile_threads) {
      left[i] = left_at(i / step, i % step);
      right[i] = right_at(i / tile, i % tile);
    }
    device::sync_block();
    for (int k = 0; k < step; ++k) {
      const Sum factor = right[k * tile + thread % tile];
      LOOKBACK_UNROLL
      for (int j = 0; j < rows_per_thread; ++j) {
        const int row = rows_apart * j + thread / tile;
        sums[j] = device::fma(left[row * step + k], factor, sums[j]);
      }
    }
  }
};

// Each choice with its expert, to be sorted.
struct Prepare {
  static constexpr int threads = 256;
  const std::int64_t* experts;
  std::uint32_t* keys;
  std::uint32_t* choices;
  IndexCheck check;
  std::int64_t count;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = device::block_index() * threads + device::thread_index();
    if (at >= count) return;
    keys[at] = static_cast<std::uint32_t>(check(experts[at], at));
    choices[at] = static_cast<std::uint32_t>(at);
  }
};

// The choices in the order of their experts, where those of each begin, and which tiles of rows
// are whose; of both also the end.
struct Sorted {
  const std::uint32_t* keys;
  const std::uint32_t* choices;
  std::int64_t* begins;
  std::int64_t* tile_begins;
  std::int64_t count, experts;
};

struct FindBegins {
  static constexpr int threads = 256;
  Sorted sorted;

  LOOKBACK_DEVICE void operator()() const {
    for (std::int64_t e = device::thread_index(); e <= sorted.experts; e += threads) {
      std::int64_t low = 0, high = sorted.count;
      while (low < high) {
        const auto middle = (low + high) / 2;
        if (sorted.keys[middle] < e) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      sorted.begins[e] = low;
    }
    device::sync_block();
    if (device::thread_index() != 0) return;
    std::int64_t tiles = 0;
    for (std::int64_t e = 0; e < sorted.experts; ++e) {
      sorted.tile_begins[e] = tiles;
      tiles += (sorted.begins[e + 1] - sorted.begins[e] + tile - 1) / tile;
    }
    sorted.tile_begins[sorted.experts] = tiles;
  }
};

template <class T, class Result>
struct Multiply {
  static constexpr int threads = tile_threads;
  using Sum = Accumulator<T>;
  Sorted sorted;
  const T* x;
  const T* weight;
  Result* y;
  std::int64_t slots, inputs, outputs, column_tiles;
  std::int64_t x_step, expert_step, input_step, output_step;

  LOOKBACK_DEVICE void operator()() const {
    const auto row_tile = device::block_index() / column_tiles;
    const auto first_column = device::block_index() % column_tiles * tile;
    if (row_tile >= sorted.tile_begins[sorted.experts]) return;  // the whole block
    std::int64_t expert = 0;
    while (sorted.tile_begins[expert + 1] <= row_tile) ++expert;
    const auto first =
        sorted.begins[expert] + (row_tile - sorted.tile_begins[expert]) * std::int64_t{tile};
    const auto end = sorted.begins[expert + 1];
    const Steps<Sum> steps;
    Sum sums[rows_per_thread] = {};
    for (std::int64_t k = 0; k < inputs; k += step) {
      steps.add_product(
          [&](int row, int input) {
            if (first + row >= end || k + input >= inputs) return Sum(0);
            return static_cast<Sum>(x[sorted.choices[first + row] / slots * x_step + k + input]);
          },
          [&](int input, int column) {
            if (k + input >= inputs || first_column + column >= outputs) return Sum(0);
            return static_cast<Sum>(weight[expert * expert_step + (k + input) * input_step +
                                           (first_column + column) * output_step]);
          },
          sums);
    }
    const auto column = first_column + device::thread_index() % tile;
    if (column >= outputs) return;
    for (int j = 0; j < rows_per_thread; ++j) {
      const auto row = first + rows_apart * j + device::thread_index() / tile;
      if (row < end) y[sorted.choices[row] * outputs + column] = static_cast<Result>(sums[j]);
    }
  }
};

// A block for a tile of one expert's gradient.
template <class T, class Result>
struct SumGradients {
  static constexpr int threads = tile_threads;
  using Sum = Accumulator<T>;
  Sorted sorted;
  const T* dy;
  const T* x;
  Result* dweight;
  std::int64_t slots, inputs, outputs, x_step, row_tiles, column_tiles;

  LOOKBACK_DEVICE void operator()() const {
    const auto column_tile = device::block_index() % column_tiles;
    const auto row_tile = device::block_index() / column_tiles % row_tiles;
    const auto expert = device::block_index() / column_tiles / row_tiles;
    const auto first_output = row_tile * tile, first_input = column_tile * tile;
    const auto end = sorted.begins[expert + 1];
    const Steps<Sum> steps;
    Sum sums[rows_per_thread] = {};
    for (auto at = sorted.begins[expert]; at < end; at += step) {
      steps.add_product(
          [&](int row, int i) {
            if (first_output + row >= outputs || at + i >= end) return Sum(0);
            return static_cast<Sum>(dy[sorted.choices[at + i] * outputs + first_output + row]);
          },
          [&](int i, int column) {
            if (first_input + column >= inputs || at + i >= end) return Sum(0);
            return static_cast<Sum>(
                x[sorted.choices[at + i] / slots * x_step + first_input + column]);
          },
          sums);
    }
    const auto column = first_input + device::thread_index() % tile;
    if (column >= inputs) return;
    for (int j = 0; j < rows_per_thread; ++j) {
      const auto row = first_output + rows_apart * j + device::thread_index() / tile;
      if (row < outputs) {
        dweight[(expert * outputs + row) * inputs + column] = static_cast<Result>(sums[j]);
      }
    }
  }
};

// How the workspace is cut.
struct Layout {
  KeySort sort;
  std::size_t sort_bytes, integers_bytes, begins_bytes;

  Layout(const In& chosen, std::int64_t experts)
      : sort{.count = chosen.numel(),
             .key_bits = std::max(
                 1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(experts))))},
        sort_bytes(sort.count == 0 ? 0 : padded(sort_keys_workspace_bytes(sort))),
        integers_bytes(padded(static_cast<std::size_t>(sort.count) * sizeof(std::uint32_t))),
        begins_bytes(padded((static_cast<std::size_t>(experts) + 1) * sizeof(std::int64_t))) {}

  std::size_t bytes() const { return sort_bytes + 4 * integers_bytes + 2 * begins_bytes; }

  Sorted sorted(const In& chosen, std::int64_t experts, void* workspace) const {
    auto* const bytes = static_cast<std::byte*>(workspace);
    const auto integers = [&](std::size_t which) {
      return reinterpret_cast<std::uint32_t*>(bytes + sort_bytes + which * integers_bytes);
    };
    const auto begins = [&](std::size_t which) {
      return reinterpret_cast<std::int64_t*>(bytes + sort_bytes + 4 * integers_bytes +
                                             which * begins_bytes);
    };
    auto to_sort = sort;
    to_sort.keys = integers(0);
    to_sort.values = integers(1);
    to_sort.sorted_keys = integers(2);
    to_sort.sorted_values = integers(3);
    const Sorted result{to_sort.sorted_keys, to_sort.sorted_values, begins(0),
                        begins(1),           to_sort.count,         experts};
    if (to_sort.count > 0) {
      const Prepare prepare{chosen.as<std::int64_t>(), integers(0), integers(1),
                            index_check(IndexUser::expert_linear, chosen, experts), to_sort.count};
      device::launch({.blocks = device::blocks_for(prepare.count, prepare.threads)}, prepare);
      sort_keys(to_sort, workspace);
    }
    device::launch({.blocks = 1}, FindBegins{result});
    return result;
  }

 private:
  static std::size_t padded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
};

// launch(TypeTag<operand>, TypeTag<result>)
template <class Launch>
void with_types(DType operand, DType result, const Launch& launch) {
  visit_floating(operand, [&]<class T>(TypeTag<T> tag) {
    if (result == operand) {
      launch(tag, tag);
    } else {
      launch(tag, TypeTag<Accumulator<T>>{});
    }
  });
}

void forward(const ExpertLinearForwardArgs& a) {
  const auto experts = a.weight.size(0), inputs = a.weight.size(1), outputs = a.weight.size(2);
  const Layout layout(a.experts, experts);
  const auto sorted = layout.sorted(a.experts, experts, a.workspace.data);
  if (experts == 0) return;  // what chose among none has been reported
  with_types(a.x.dtype, a.y.dtype, [&]<class T, class Result>(TypeTag<T>, TypeTag<Result>) {
    const Multiply<T, Result> kernel{sorted,
                                     a.x.as<T>(),
                                     a.weight.as<T>(),
                                     a.y.as<Result>(),
                                     a.experts.size(1),
                                     inputs,
                                     outputs,
                                     device::blocks_for(outputs, tile),
                                     a.x.stride(0),
                                     a.weight.stride(0),
                                     a.weight.stride(1),
                                     a.weight.stride(2)};
    // As many as there can be.
    const auto row_tiles = device::blocks_for(sorted.count, tile) + std::min(experts, sorted.count);
    device::launch(
        {.blocks = row_tiles * kernel.column_tiles, .shared_bytes = Steps<Accumulator<T>>::bytes},
        kernel);
  });
}

std::size_t forward_workspace_bytes(const ExpertLinearForwardArgs& a) {
  return Layout(a.experts, a.weight.size(0)).bytes();
}

void backward(const ExpertLinearBackwardArgs& a) {
  const auto experts = a.dweight.size(0), outputs = a.dweight.size(1), inputs = a.dweight.size(2);
  const Layout layout(a.experts, experts);
  const auto sorted = layout.sorted(a.experts, experts, a.workspace.data);
  with_types(a.dy.dtype, a.dweight.dtype, [&]<class T, class Result>(TypeTag<T>, TypeTag<Result>) {
    const SumGradients<T, Result> kernel{sorted,
                                         a.dy.as<T>(),
                                         a.x.as<T>(),
                                         a.dweight.as<Result>(),
                                         a.experts.size(1),
                                         inputs,
                                         outputs,
                                         a.x.stride(0),
                                         device::blocks_for(outputs, tile),
                                         device::blocks_for(inputs, tile)};
    device::launch({.blocks = experts * kernel.row_tiles * kernel.column_tiles,
                    .shared_bytes = Steps<Accumulator<T>>::bytes},
                   kernel);
  });
}

std::size_t backward_workspace_bytes(const ExpertLinearBackwardArgs& a) {
  return Layout(a.experts, a.dweight.size(0)).bytes();
}

const Registration forward_registered{expert_linear_forward, Backend::cuda, forward,
                                      forward_workspace_bytes};
const Registration backward_registered{expert_linear_backward, Backend::cuda, backward,
                                       backward_workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
