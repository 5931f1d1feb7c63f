// What both directions of linear attention share on the CPU: its chunks, and the sums of all
// chunks before one (or behind it), which stand in the workspace.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu/attention_tiles.h"
#include "kernels/linear_attention_shape.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// One matrix [K, V] per chunk of a sequence and key head.
template <class Sum>
class ChunkStates {
 public:
  ChunkStates(const ChunkedShape& shape, Sum* numbers) : shape_(shape), numbers_(numbers) {}

  Sum* at(const ChunkPlace& place) const {
    const auto head = place.sequence * shape_.key_heads + place.key_head;
    return numbers_ + (head * shape_.chunks + place.number) * shape_.state_numbers();
  }

  // What each chunk holds becomes the sum of the chunks before it and of `before` [B, G, K, V]
  // (null: zeros); `after`, where not null, the sum of all.
  void sum_before(const Sum* before, Sum* after) const { run(Order::forward, before, after); }
  // The sum of the chunks behind it.
  void sum_behind() const { run(Order::backward, nullptr, nullptr); }

 private:
  enum class Order { forward, backward };

  void run(Order order, const Sum* before, Sum* after) const {
    constexpr std::int64_t numbers_at_once = 1024;
    const auto numbers = shape_.state_numbers();
    const auto parts = blocks_of(numbers, numbers_at_once);
    parallel_for(shape_.sequences * shape_.key_heads * parts, 1,
                 [&](std::int64_t task, std::int64_t) {
                   const auto head = task / parts, first = task % parts * numbers_at_once;
                   const auto count = std::min(numbers_at_once, numbers - first);
                   std::array<Sum, numbers_at_once> total{};
                   const auto own = head * numbers + first;
                   if (before != nullptr) std::copy_n(before + own, count, total.begin());
                   for (std::int64_t i = 0; i < shape_.chunks; ++i) {
                     const auto number = order == Order::forward ? i : shape_.chunks - 1 - i;
                     Sum* at = numbers_ + (head * shape_.chunks + number) * numbers + first;
                     for (std::int64_t j = 0; j < count; ++j) {
                       const auto so_far = total[static_cast<std::size_t>(j)];
                       total[static_cast<std::size_t>(j)] = so_far + at[j];
                       at[j] = so_far;
                     }
                   }
                   if (after != nullptr) std::copy_n(total.begin(), count, after + own);
                 });
  }

  const ChunkedShape& shape_;
  Sum* numbers_;
};

// Each chunk's own sum of k^T v.
template <class T>
void chunk_sums(const ChunkedShape& shape, const HeadRows<const T>& k, const HeadRows<const T>& v,
                const ChunkStates<Accumulator<T>>& states) {
  using Sum = Accumulator<T>;
  parallel_for(shape.places(), 1, [&](std::int64_t task, std::int64_t) {
    const ChunkPlace place(shape, task);
    const auto first = shape.first_of(place.number), rows = shape.rows_of(place.number);
    Scratch<Sum> scratch(read_scratch<T>(rows, shape.width + shape.value_width));
    const auto keys = read_rows(k.at(place.sequence, first, place.key_head, 0), k.row_step, rows,
                                shape.width, scratch);
    const auto values = read_rows(v.at(place.sequence, first, place.key_head, 0), v.row_step, rows,
                                  shape.value_width, scratch);
    tile_product(Gemm<Sum>{.m = shape.width,
                           .n = shape.value_width,
                           .k = rows,
                           .a = keys.data,
                           .a_stride = keys.stride,
                           .a_layout = Layout::transposed,
                           .b = values.data,
                           .b_stride = values.stride,
                           .c = states.at(place),
                           .c_stride = shape.value_width});
  });
}

// The products of the rows of a and b [rows, width], as row i of a chunk sees them: up to column i,
// 0 behind it.
template <class Sum>
ScoreTile<Sum> causal_products(const RowSpan<Sum>& a, const RowSpan<Sum>& b, std::int64_t rows,
                               std::int64_t width, const KeyRange* visible, Scratch<Sum>& scratch) {
  const ScoreTile<Sum> tile{scratch.take(rows * rows), rows, rows, rows, visible};
  tile_product(Gemm<Sum>{.m = rows,
                         .n = rows,
                         .k = width,
                         .a = a.data,
                         .a_stride = a.stride,
                         .b = b.data,
                         .b_stride = b.stride,
                         .b_layout = Layout::transposed,
                         .c = tile.data,
                         .c_stride = rows});
  for (std::int64_t i = 0; i < rows; ++i) {
    std::fill(tile.data + i * rows + i + 1, tile.data + (i + 1) * rows, Sum{0});
  }
  return tile;
}

// What each row of a chunk sees of it.
inline std::array<KeyRange, linear_attention_chunk> up_to_itself() {
  std::array<KeyRange, linear_attention_chunk> visible;
  for (std::size_t i = 0; i < visible.size(); ++i) {
    visible[i] = {.first = 0, .last = static_cast<std::int64_t>(i) + 1};
  }
  return visible;
}

}  // namespace lookback::kernels
