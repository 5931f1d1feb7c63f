#include "kernels/attention_weights.h"
#include "kernels/cpu/attention_tiles.h"
#include "kernels/cpu/shown_keys.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// Calls body(sequence, key head, head in its group, first row) for every block of rows, those that
// see most first.
template <class Body>
void for_each_block(const AttentionShape& shape, const Body& body) {
  const auto blocks = blocks_of(shape.rows, query_rows);
  const auto heads = shape.heads();
  parallel_for(shape.sequences * heads * blocks, 1, [&](std::int64_t task, std::int64_t) {
    const auto head = task / blocks % heads;
    body(task / blocks / heads, head / shape.group, head % shape.group,
         (blocks - 1 - task % blocks) * query_rows);
  });
}

template <class T>
void apply(const ApplyAttentionWeightsForwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto shape = shape_of_groups(a.weights, a.mask);
  const auto weights = rows_of_groups<const T>(a.weights);
  const auto v = rows_of_groups<const T>(a.v);
  const auto y = rows_of_groups<T>(a.y);
  for_each_block(shape, [&](std::int64_t sequence, std::int64_t key_head,
                            std::int64_t head_in_group, std::int64_t row) {
    Scratch<Sum> scratch(query_rows * v.width + query_rows * tile_stride +
                         read_scratch<T>(key_columns, v.width));
    const auto rows = std::min(query_rows, shape.rows - row);
    const BlockMask mask(a.mask, sequence, row, 1, rows, shape.keys);
    const ShownKeys shown(a.mask, sequence, key_head * shape.group + head_in_group, row, rows,
                          shape.keys);
    Sum* sums = scratch.take(rows * v.width);
    std::fill_n(sums, rows * v.width, Sum{0});
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (auto first = mask.any.first; first < mask.any.last; first += key_columns) {
      auto of_chunk = scratch;
      const auto columns = std::min(key_columns, mask.any.last - first);
      std::array<KeyRange, query_rows> visible;
      mask.relative(first, columns, rows, visible.data());
      for (std::int64_t i = 0; i < rows; ++i) {
        const T* from = weights.at(sequence, row + i, key_head, head_in_group) + first;
        const auto& seen = visible[static_cast<std::size_t>(i)];
        Sum* to = tile + i * tile_stride;
        std::fill_n(to, columns, Sum{0});
        for (auto s = seen.first; s < seen.last; ++s) {
          if (shown.shows(i, first + s)) to[s] = static_cast<Sum>(from[s]);
        }
      }
      const auto values =
          read_rows(v.at(sequence, first, key_head, 0), v.row_step, columns, v.width, of_chunk);
      weigh_values(
          {tile, rows, columns, tile_stride, visible.data(), shown.from(first), shown.stride()},
          values, v.width, sums, v.width);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      T* to = y.at(sequence, row + i, key_head, head_in_group);
      for (std::int64_t d = 0; d < v.width; ++d) to[d] = static_cast<T>(sums[i * v.width + d]);
    }
  });
}

// dweights = dy v^T for a block of rows, made chunk by chunk.
template <class T>
void weights_gradient(const ApplyAttentionWeightsBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto shape = shape_of_groups(a.weights, a.mask);
  const auto dy = rows_of_groups<const T>(a.dy);
  const auto v = rows_of_groups<const T>(a.v);
  const auto dweights = rows_of_groups<T>(a.dweights);
  for_each_block(shape, [&](std::int64_t sequence, std::int64_t key_head,
                            std::int64_t head_in_group, std::int64_t row) {
    Scratch<Sum> scratch(query_rows * tile_stride +
                         read_scratch<T>(query_rows + key_columns, v.width));
    const auto rows = std::min(query_rows, shape.rows - row);
    const BlockMask mask(a.mask, sequence, row, 1, rows, shape.keys);
    const ShownKeys shown(a.mask, sequence, key_head * shape.group + head_in_group, row, rows,
                          shape.keys);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::fill_n(dweights.at(sequence, row + i, key_head, head_in_group), shape.keys, T{});
    }
    const auto from = read_rows(dy.at(sequence, row, key_head, head_in_group), dy.row_step, rows,
                                v.width, scratch);
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (auto first = mask.any.first; first < mask.any.last; first += key_columns) {
      auto of_chunk = scratch;
      const auto columns = std::min(key_columns, mask.any.last - first);
      const auto values =
          read_rows(v.at(sequence, first, key_head, 0), v.row_step, columns, v.width, of_chunk);
      tile_product(Gemm<Sum>{.m = rows,
                             .n = columns,
                             .k = v.width,
                             .a = from.data,
                             .a_stride = from.stride,
                             .b = values.data,
                             .b_stride = values.stride,
                             .b_layout = Layout::transposed,
                             .c = tile,
                             .c_stride = tile_stride});
      std::array<KeyRange, query_rows> visible;
      mask.relative(first, columns, rows, visible.data());
      for (std::int64_t i = 0; i < rows; ++i) {
        T* to = dweights.at(sequence, row + i, key_head, head_in_group) + first;
        const auto& seen = visible[static_cast<std::size_t>(i)];
        for (auto s = seen.first; s < seen.last; ++s) {
          if (shown.shows(i, first + s)) to[s] = static_cast<T>(tile[i * tile_stride + s]);
        }
      }
    }
  });
}

// dv = sum over rows and heads of weights^T dy, one chunk of keys per worker.
template <class T>
void values_gradient(const ApplyAttentionWeightsBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto shape = shape_of_groups(a.weights, a.mask);
  const auto weights = rows_of_groups<const T>(a.weights);
  const auto dy = rows_of_groups<const T>(a.dy);
  const auto dv = rows_of_groups<T>(a.dv);
  const auto chunks = blocks_of(shape.keys, key_columns);
  parallel_for(shape.sequences * shape.key_heads * chunks, 1, [&](std::int64_t task, std::int64_t) {
    Scratch<Sum> scratch(key_columns * dv.width + query_rows * tile_stride +
                         read_scratch<T>(query_rows, dv.width));
    const auto first = task % chunks * key_columns;
    const auto columns = std::min(key_columns, shape.keys - first);
    const auto key_head = task / chunks % shape.key_heads;
    const auto sequence = task / chunks / shape.key_heads;
    Sum* sums = scratch.take(columns * dv.width);
    std::fill_n(sums, columns * dv.width, Sum{0});
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (std::int64_t head_in_group = 0; head_in_group < shape.group; ++head_in_group) {
      for (std::int64_t row = 0; row < shape.rows; row += query_rows) {
        auto of_block = scratch;
        const auto rows = std::min(query_rows, shape.rows - row);
        const BlockMask mask(a.mask, sequence, row, 1, rows, shape.keys);
        const auto begin = std::max(first, mask.any.first);
        const auto count = std::min(first + columns, mask.any.last) - begin;
        if (count <= 0) continue;
        const ShownKeys shown(a.mask, sequence, key_head * shape.group + head_in_group, row, rows,
                              shape.keys);
        for (std::int64_t i = 0; i < rows; ++i) {
          const T* from = weights.at(sequence, row + i, key_head, head_in_group) + begin;
          const auto& seen = mask.rows[static_cast<std::size_t>(i)];
          Sum* to = tile + i * tile_stride;
          for (std::int64_t s = 0; s < count; ++s) {
            const bool sees = seen.contains(begin + s) && shown.shows(i, begin + s);
            to[s] = sees ? static_cast<Sum>(from[s]) : Sum{0};
          }
        }
        const auto from = read_rows(dy.at(sequence, row, key_head, head_in_group), dy.row_step,
                                    rows, dv.width, of_block);
        std::array<KeyRange, query_rows> visible;
        mask.relative(begin, count, rows, visible.data());
        weigh_rows(
            {tile, rows, count, tile_stride, visible.data(), shown.from(begin), shown.stride()},
            from, dv.width, {.data = sums + (begin - first) * dv.width, .stride = dv.width});
      }
    }
    for (std::int64_t s = 0; s < columns; ++s) {
      T* to = dv.at(sequence, first + s, key_head, 0);
      for (std::int64_t d = 0; d < dv.width; ++d) to[d] = static_cast<T>(sums[s * dv.width + d]);
    }
  });
}

void forward(const ApplyAttentionWeightsForwardArgs& arguments) {
  visit_floating(arguments.weights.dtype, [&]<class T>(TypeTag<T>) { apply<T>(arguments); });
}
void backward(const ApplyAttentionWeightsBackwardArgs& arguments) {
  visit_floating(arguments.weights.dtype, [&]<class T>(TypeTag<T>) {
    if (arguments.dweights.present()) weights_gradient<T>(arguments);
    if (arguments.dv.present()) values_gradient<T>(arguments);
  });
}

const Registration forward_registered{apply_attention_weights_forward, Backend::cpu, forward};
const Registration backward_registered{apply_attention_weights_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
