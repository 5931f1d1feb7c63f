#include "kernels/attention_weights.h"
#include "kernels/cpu/attention_tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// [B, G, I, ., D] operands by their strides; I: places in a group of heads that share values.
template <class T>
struct Grouped {
  T* data;
  std::int64_t sequence_stride, key_head_stride, place_stride, row_stride;
  T* at(std::int64_t sequence, std::int64_t key_head, std::int64_t place, std::int64_t row) const {
    return data + sequence * sequence_stride + key_head * key_head_stride + place * place_stride +
           row * row_stride;
  }
};
template <class T, class Operand>
Grouped<T> grouped(const Operand& x) {
  return {x.template as<std::remove_const_t<T>>(), x.stride(0), x.stride(1), x.stride(2),
          x.stride(3)};
}

struct Sizes {
  std::int64_t sequences, key_heads, group, rows, keys, width;
};
Sizes sizes_of(const In& weights, const In& v) {
  return {.sequences = weights.size(0),
          .key_heads = weights.size(1),
          .group = weights.size(2),
          .rows = weights.size(3),
          .keys = weights.size(4),
          .width = v.size(4)};
}

// Calls body(sequence, key head, place, first row) for every block of rows, those that see most
// first.
template <class Body>
void for_each_block(const Sizes& sizes, const Body& body) {
  const auto blocks = blocks_of(sizes.rows, query_rows);
  const auto heads = sizes.key_heads * sizes.group;
  parallel_for(sizes.sequences * heads * blocks, 1, [&](std::int64_t task, std::int64_t) {
    const auto head = task / blocks % heads;
    body(task / blocks / heads, head / sizes.group, head % sizes.group,
         (blocks - 1 - task % blocks) * query_rows);
  });
}

template <class T>
void apply(const ApplyAttentionWeightsForwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto sizes = sizes_of(a.weights, a.v);
  const auto weights = grouped<const T>(a.weights);
  const auto v = grouped<const T>(a.v);
  const auto y = grouped<T>(a.y);
  for_each_block(sizes, [&](std::int64_t sequence, std::int64_t key_head, std::int64_t place,
                            std::int64_t row) {
    Scratch<Sum> scratch(query_rows * sizes.width + query_rows * tile_stride +
                         read_scratch<T>(key_columns, sizes.width));
    const auto rows = std::min(query_rows, sizes.rows - row);
    const BlockMask mask(a.mask, sequence, row, 1, rows, sizes.keys);
    Sum* sums = scratch.take(rows * sizes.width);
    std::fill_n(sums, rows * sizes.width, Sum{0});
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (auto first = mask.any.first; first < mask.any.last; first += key_columns) {
      auto of_chunk = scratch;
      const auto columns = std::min(key_columns, mask.any.last - first);
      std::array<KeyRange, query_rows> visible;
      mask.relative(first, columns, rows, visible.data());
      for (std::int64_t i = 0; i < rows; ++i) {
        const T* from = weights.at(sequence, key_head, place, row + i) + first;
        const auto& seen = visible[static_cast<std::size_t>(i)];
        Sum* to = tile + i * tile_stride;
        std::fill_n(to, columns, Sum{0});
        for (auto s = seen.first; s < seen.last; ++s) to[s] = static_cast<Sum>(from[s]);
      }
      const auto values = read_rows(v.at(sequence, key_head, 0, first), v.row_stride, columns,
                                    sizes.width, of_chunk);
      weigh_values({tile, rows, columns, tile_stride, visible.data()}, values, sizes.width, sums,
                   sizes.width);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      T* to = y.at(sequence, key_head, place, row + i);
      for (std::int64_t d = 0; d < sizes.width; ++d)
        to[d] = static_cast<T>(sums[i * sizes.width + d]);
    }
  });
}

// dweights = dy v^T for a block of rows, made chunk by chunk.
template <class T>
void weights_gradient(const ApplyAttentionWeightsBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto sizes = sizes_of(a.weights, a.v);
  const auto dy = grouped<const T>(a.dy);
  const auto v = grouped<const T>(a.v);
  const auto dweights = grouped<T>(a.dweights);
  for_each_block(sizes, [&](std::int64_t sequence, std::int64_t key_head, std::int64_t place,
                            std::int64_t row) {
    Scratch<Sum> scratch(query_rows * tile_stride +
                         read_scratch<T>(query_rows + key_columns, sizes.width));
    const auto rows = std::min(query_rows, sizes.rows - row);
    const BlockMask mask(a.mask, sequence, row, 1, rows, sizes.keys);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::fill_n(dweights.at(sequence, key_head, place, row + i), sizes.keys, T{});
    }
    const auto from =
        read_rows(dy.at(sequence, key_head, place, row), dy.row_stride, rows, sizes.width, scratch);
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (auto first = mask.any.first; first < mask.any.last; first += key_columns) {
      auto of_chunk = scratch;
      const auto columns = std::min(key_columns, mask.any.last - first);
      const auto values = read_rows(v.at(sequence, key_head, 0, first), v.row_stride, columns,
                                    sizes.width, of_chunk);
      tile_product(Gemm<Sum>{.m = rows,
                             .n = columns,
                             .k = sizes.width,
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
        T* to = dweights.at(sequence, key_head, place, row + i) + first;
        const auto& seen = visible[static_cast<std::size_t>(i)];
        for (auto s = seen.first; s < seen.last; ++s)
          to[s] = static_cast<T>(tile[i * tile_stride + s]);
      }
    }
  });
}

// dv = sum over rows and places of weights^T dy, one chunk of keys per worker.
template <class T>
void values_gradient(const ApplyAttentionWeightsBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto sizes = sizes_of(a.weights, a.v);
  const auto weights = grouped<const T>(a.weights);
  const auto dy = grouped<const T>(a.dy);
  const auto dv = grouped<T>(a.dv);
  const auto chunks = blocks_of(sizes.keys, key_columns);
  parallel_for(sizes.sequences * sizes.key_heads * chunks, 1, [&](std::int64_t task, std::int64_t) {
    Scratch<Sum> scratch(key_columns * sizes.width + query_rows * tile_stride +
                         read_scratch<T>(query_rows, sizes.width));
    const auto first = task % chunks * key_columns;
    const auto columns = std::min(key_columns, sizes.keys - first);
    const auto key_head = task / chunks % sizes.key_heads;
    const auto sequence = task / chunks / sizes.key_heads;
    Sum* sums = scratch.take(columns * sizes.width);
    std::fill_n(sums, columns * sizes.width, Sum{0});
    Sum* tile = scratch.take(query_rows * tile_stride);
    for (std::int64_t place = 0; place < sizes.group; ++place) {
      for (std::int64_t row = 0; row < sizes.rows; row += query_rows) {
        auto of_block = scratch;
        const auto rows = std::min(query_rows, sizes.rows - row);
        const BlockMask mask(a.mask, sequence, row, 1, rows, sizes.keys);
        const auto begin = std::max(first, mask.any.first);
        const auto count = std::min(first + columns, mask.any.last) - begin;
        if (count <= 0) continue;
        for (std::int64_t i = 0; i < rows; ++i) {
          const T* from = weights.at(sequence, key_head, place, row + i) + begin;
          const auto& seen = mask.rows[static_cast<std::size_t>(i)];
          Sum* to = tile + i * tile_stride;
          for (std::int64_t s = 0; s < count; ++s) {
            to[s] = seen.contains(begin + s) ? static_cast<Sum>(from[s]) : Sum{0};
          }
        }
        const auto from = read_rows(dy.at(sequence, key_head, place, row), dy.row_stride, rows,
                                    sizes.width, of_block);
        tile_product(Gemm<Sum>{.m = count,
                               .n = sizes.width,
                               .k = rows,
                               .a = tile,
                               .a_stride = tile_stride,
                               .a_layout = Layout::transposed,
                               .b = from.data,
                               .b_stride = from.stride,
                               .c = sums + (begin - first) * sizes.width,
                               .c_stride = sizes.width,
                               .into = Into::sum});
      }
    }
    for (std::int64_t s = 0; s < columns; ++s) {
      T* to = dv.at(sequence, key_head, 0, first + s);
      for (std::int64_t d = 0; d < sizes.width; ++d)
        to[d] = static_cast<T>(sums[s * sizes.width + d]);
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
