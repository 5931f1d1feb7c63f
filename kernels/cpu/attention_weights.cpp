#include "kernels/attention_weights.h"

#include "kernels/cpu/attention_score_gradient.h"

namespace lookback::kernels {
namespace {

template <class T>
class Forward {
 public:
  explicit Forward(const AttentionWeightsForwardArgs& arguments)
      : a(arguments),
        shape(shape_of(a.q, a.k, a.mask)),
        q(rows_of_each_head<const T>(a.q, shape.group)),
        k(rows_of_each_key_head<const T>(a.k)) {
    for (const auto& piece : q) widths.push_back(piece.width);
    std::int64_t total_width = 0;
    for (const auto width : widths) total_width += width;
    scratch_numbers = read_scratch<T>(query_rows + shape.keys, total_width) +
                      read_scratch<T>(query_rows, shape.keys);
  }

  void run() const {
    const auto blocks = blocks_of(shape.rows, query_rows);
    parallel_for(shape.sequences * shape.heads() * blocks, 1, [&](std::int64_t task, std::int64_t) {
      block(task / blocks / shape.heads(), task / blocks % shape.heads(),
            (blocks - 1 - task % blocks) * query_rows);
    });
  }

 private:
  using Sum = Accumulator<T>;

  // A block of rows, over all the keys it sees at once: the scores are made where the weights go.
  void block(std::int64_t sequence, std::int64_t head, std::int64_t row) const {
    Scratch<Sum> scratch(scratch_numbers);
    const auto rows = std::min(query_rows, shape.rows - row);
    const BlockMask mask(a.mask, sequence, row, 1, rows, shape.keys);
    const auto first = mask.any.first;
    const auto columns = mask.any.last - first;
    T* to = a.weights.as<T>() + ((sequence * shape.heads() + head) * shape.rows + row) * shape.keys;
    for (std::int64_t i = 0; i < rows; ++i) {
      std::fill_n(to + i * shape.keys, first, T{});
      std::fill_n(to + i * shape.keys + mask.any.last, shape.keys - mask.any.last, T{});
    }
    if (columns == 0) return;
    std::vector<RowSpan<Sum>> queries, keys;
    for (std::size_t p = 0; p < q.size(); ++p) {
      queries.push_back(
          read_rows(q[p].at_head(sequence, row, head), q[p].row_step, rows, widths[p], scratch));
      keys.push_back(read_rows(k[p].at(sequence, first, head / shape.group, 0), k[p].row_step,
                               columns, widths[p], scratch));
    }
    std::array<KeyRange, query_rows> visible;
    mask.relative(first, columns, rows, visible.data());
    ScoreTile<Sum> tile{nullptr, rows, columns, shape.keys, visible.data()};
    if constexpr (std::is_same_v<T, Sum>) {
      tile.data = to + first;
    } else {
      tile.data = scratch.take(rows * shape.keys);
    }
    score_tile(queries, keys, widths, a.scales.as<Sum>(), tile);
    softmax_rows(tile);
    if constexpr (!std::is_same_v<T, Sum>) {
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t s = 0; s < columns; ++s) {
          to[i * shape.keys + first + s] = static_cast<T>(tile.data[i * shape.keys + s]);
        }
      }
    }
  }

  const AttentionWeightsForwardArgs& a;
  const AttentionShape shape;
  const std::vector<HeadRows<const T>> q, k;
  std::vector<std::int64_t> widths;
  std::int64_t scratch_numbers = 0;
};

template <class T>
class Backward {
 public:
  explicit Backward(const AttentionWeightsBackwardArgs& arguments)
      : a(arguments), shape(shape_of(a.q, a.k, a.mask)), pieces(a) {
    scratch_numbers = pieces.chunk_scratch() + pieces.block_scratch() + query_rows * tile_stride +
                      read_scratch<T>(query_rows, key_columns);
  }

  void run() const {
    parallel_for(pieces.workers(), 1, [&](std::int64_t worker, std::int64_t) {
      const auto segment = pieces.segment_of(worker);
      pieces.begin(segment);
      for (auto first = segment.first; first < segment.last; first += key_columns) {
        chunk(segment, {.sequence = segment.sequence,
                        .key_head = segment.key_head,
                        .first = first,
                        .columns = std::min(key_columns, segment.last - first)});
      }
    });
    pieces.finish();
  }

 private:
  using Sum = Accumulator<T>;
  using Pieces = ScoreGradient<T, AttentionWeightsBackwardArgs>;

  void chunk(const KeySegment& segment, const KeyChunk& at) const {
    Scratch<Sum> scratch(scratch_numbers);
    const auto keys = pieces.begin(at, scratch);
    for (auto head = at.key_head * shape.group; head < (at.key_head + 1) * shape.group; ++head) {
      for (std::int64_t row = 0; row < shape.rows; row += query_rows) {
        block(segment, keys, row, head, scratch);
      }
    }
    pieces.end(keys);
  }

  void block(const KeySegment& segment, const typename Pieces::Chunk& keys, std::int64_t row,
             std::int64_t head, Scratch<Sum> scratch) const {
    const auto& at = keys.at;
    const auto rows = std::min(query_rows, shape.rows - row);
    const BlockMask mask(a.mask, at.sequence, row, 1, rows, shape.keys);
    const auto first = std::max<std::int64_t>(0, mask.any.first - at.first);
    const auto columns = std::min(at.columns, mask.any.last - at.first) - first;
    if (columns <= 0) return;
    std::array<KeyRange, query_rows> visible;
    mask.relative(at.first + first, columns, rows, visible.data());
    const auto queries = pieces.queries(at.sequence, row, head, rows, scratch);
    const auto offset = ((at.sequence * shape.heads() + head) * shape.rows + row) * shape.keys;
    Sum* gradient = scratch.take(query_rows * tile_stride);
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* weight = a.weights.as<T>() + offset + i * shape.keys;
      const T* dweight = a.dweights.as<T>() + offset + i * shape.keys;
      const Sum center = row_dot(weight, dweight, mask.rows[static_cast<std::size_t>(i)]);
      const auto start = at.first + first;
      for (std::int64_t s = 0; s < columns; ++s) {
        const bool seen = visible[static_cast<std::size_t>(i)].contains(s);
        gradient[i * tile_stride + s] = seen ? static_cast<Sum>(weight[start + s]) *
                                                   (static_cast<Sum>(dweight[start + s]) - center)
                                             : Sum{0};
      }
    }
    pieces.add(segment, keys, first, row, head, queries,
               {gradient, rows, columns, tile_stride, visible.data()}, scratch);
  }

  // sum_s weights dweights over the keys a row sees.
  static Sum row_dot(const T* weight, const T* dweight, const KeyRange& seen) {
    if constexpr (std::is_same_v<T, Sum>) {
      return dot(weight + seen.first, dweight + seen.first, seen.last - seen.first);
    } else {
      Sum total = 0;
      for (auto s = seen.first; s < seen.last; ++s) {
        total += static_cast<Sum>(weight[s]) * static_cast<Sum>(dweight[s]);
      }
      return total;
    }
  }

  const AttentionWeightsBackwardArgs& a;
  const AttentionShape shape;
  const Pieces pieces;
  std::int64_t scratch_numbers = 0;
};

void forward(const AttentionWeightsForwardArgs& arguments) {
  visit_floating(arguments.weights.dtype,
                 [&]<class T>(TypeTag<T>) { Forward<T>(arguments).run(); });
}
void backward(const AttentionWeightsBackwardArgs& arguments) {
  visit_floating(arguments.weights.dtype,
                 [&]<class T>(TypeTag<T>) { Backward<T>(arguments).run(); });
}

const Registration forward_registered{attention_weights_forward, Backend::cpu, forward};
std::size_t workspace_bytes(const AttentionWeightsBackwardArgs& a) {
  return attention_backward_workspace_bytes(a.q, a.k[0]);
}

const Registration backward_registered{attention_weights_backward, Backend::cpu, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
