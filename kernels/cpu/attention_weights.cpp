#include "kernels/attention_weights.h"

#include "kernels/cpu/attention_score_gradient.h"
#include "kernels/cpu/shown_keys.h"

namespace lookback::kernels {
namespace {

template <class T>
class Forward {
 public:
  explicit Forward(const AttentionWeightsForwardArgs& arguments)
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        q_(rows_of_each_head<const T>(a_.q, shape_.group)),
        k_(rows_of_each_key_head<const T>(a_.k)) {
    for (const auto& piece : q_) widths_.push_back(piece.width);
    std::int64_t total_width = 0;
    for (const auto width : widths_) total_width += width;
    scratch_numbers_ = read_scratch<T>(query_rows + shape_.keys, total_width) +
                       read_scratch<T>(query_rows, shape_.keys);
  }

  void run() const {
    const auto blocks = blocks_of(shape_.rows, query_rows);
    parallel_for(shape_.sequences * shape_.heads() * blocks, 1,
                 [&](std::int64_t task, std::int64_t) {
                   block(task / blocks / shape_.heads(), task / blocks % shape_.heads(),
                         (blocks - 1 - task % blocks) * query_rows);
                 });
  }

 private:
  using Sum = Accumulator<T>;

  // A block of rows, over all the keys it sees at once: the scores are made where the weights go.
  void block(std::int64_t sequence, std::int64_t head, std::int64_t row) const {
    Scratch<Sum> scratch(scratch_numbers_);
    const auto rows = std::min(query_rows, shape_.rows - row);
    const BlockMask mask(a_.mask, sequence, row, 1, rows, shape_.keys);
    const auto first = mask.any.first;
    const auto columns = mask.any.last - first;
    T* to =
        a_.weights.as<T>() + ((sequence * shape_.heads() + head) * shape_.rows + row) * shape_.keys;
    for (std::int64_t i = 0; i < rows; ++i) {
      std::fill_n(to + i * shape_.keys, first, T{});
      std::fill_n(to + i * shape_.keys + mask.any.last, shape_.keys - mask.any.last, T{});
    }
    if (columns == 0) return;
    std::vector<RowSpan<Sum>> queries, keys;
    for (std::size_t p = 0; p < q_.size(); ++p) {
      queries.push_back(
          read_rows(q_[p].at_head(sequence, row, head), q_[p].row_step, rows, widths_[p], scratch));
      keys.push_back(read_rows(k_[p].at(sequence, first, head / shape_.group, 0), k_[p].row_step,
                               columns, widths_[p], scratch));
    }
    std::array<KeyRange, query_rows> visible;
    mask.relative(first, columns, rows, visible.data());
    const ShownKeys shown(a_.mask, sequence, head, row, rows, shape_.keys);
    ScoreTile<Sum> tile{nullptr,           rows,          columns, shape_.keys, visible.data(),
                        shown.from(first), shown.stride()};
    if constexpr (std::is_same_v<T, Sum>) {
      tile.data = to + first;
    } else {
      tile.data = scratch.take(rows * shape_.keys);
    }
    score_tile(queries, keys, widths_, a_.scales.as<Sum>(), tile);
    apply_form(a_.form, a_.mask, {head, row, 1, first}, tile);
    hide_scores(tile);
    softmax_rows(tile);
    hide_gradient(tile);  // of a row that is NaN as well
    if constexpr (!std::is_same_v<T, Sum>) {
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t s = 0; s < columns; ++s) {
          to[i * shape_.keys + first + s] = static_cast<T>(tile.data[i * shape_.keys + s]);
        }
      }
    }
  }

  const AttentionWeightsForwardArgs& a_;
  const AttentionShape shape_;
  const std::vector<HeadRows<const T>> q_, k_;
  std::vector<std::int64_t> widths_;
  std::int64_t scratch_numbers_ = 0;
};

template <class T>
class Backward {
 public:
  explicit Backward(const AttentionWeightsBackwardArgs& arguments)
      : a_(arguments), shape_(shape_of(a_.q, a_.k, a_.mask)), pieces_(a_) {
    scratch_numbers_ = pieces_.chunk_scratch() + pieces_.block_scratch() +
                       2 * query_rows * tile_stride + pieces_.cap_scratch();
  }

  void run() const {
    parallel_for(pieces_.workers(), 1, [&](std::int64_t worker, std::int64_t) {
      const auto segment = pieces_.segment_of(worker);
      pieces_.begin(segment);
      for (auto first = segment.first; first < segment.last; first += key_columns) {
        chunk(segment, {.sequence = segment.sequence,
                        .key_head = segment.key_head,
                        .first = first,
                        .columns = std::min(key_columns, segment.last - first)});
      }
    });
    pieces_.finish();
  }

 private:
  using Sum = Accumulator<T>;
  using Pieces = ScoreGradient<T, AttentionWeightsBackwardArgs>;

  void chunk(const KeySegment& segment, const KeyChunk& at) const {
    Scratch<Sum> scratch(scratch_numbers_);
    const auto keys = pieces_.begin(at, scratch);
    for (auto head = at.key_head * shape_.group; head < (at.key_head + 1) * shape_.group; ++head) {
      for (std::int64_t row = 0; row < shape_.rows; row += query_rows) {
        block(segment, keys, row, head, scratch);
      }
    }
    pieces_.end(keys);
  }

  void block(const KeySegment& segment, const typename Pieces::Chunk& keys, std::int64_t row,
             std::int64_t head, Scratch<Sum> scratch) const {
    const auto& at = keys.at;
    const auto rows = std::min(query_rows, shape_.rows - row);
    const BlockMask mask(a_.mask, at.sequence, row, 1, rows, shape_.keys);
    const auto first = std::max<std::int64_t>(0, mask.any.first - at.first);
    const auto columns = std::min(at.columns, mask.any.last - at.first) - first;
    if (columns <= 0) return;
    std::array<KeyRange, query_rows> visible;
    mask.relative(at.first + first, columns, rows, visible.data());
    const auto queries = pieces_.queries(at.sequence, row, head, rows, scratch);
    const auto offset = ((at.sequence * shape_.heads() + head) * shape_.rows + row) * shape_.keys;
    const ShownKeys shown(a_.mask, at.sequence, head, row, rows, shape_.keys);
    Sum* gradient = scratch.take(query_rows * tile_stride);
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* weight = a_.weights.as<T>() + offset + i * shape_.keys;
      const T* dweight = a_.dweights.as<T>() + offset + i * shape_.keys;
      const Sum center = row_dot(weight, dweight, mask.rows[static_cast<std::size_t>(i)], shown, i);
      const auto start = at.first + first;
      for (std::int64_t s = 0; s < columns; ++s) {
        const bool seen =
            visible[static_cast<std::size_t>(i)].contains(s) && shown.shows(i, start + s);
        gradient[i * tile_stride + s] = seen ? static_cast<Sum>(weight[start + s]) *
                                                   (static_cast<Sum>(dweight[start + s]) - center)
                                             : Sum{0};
      }
    }
    const ScoreTile<Sum> tile{gradient,      rows,           columns,
                              tile_stride,   visible.data(), shown.from(at.first + first),
                              shown.stride()};
    if (a_.form.soft_cap > 0) {
      const ScoreTile<Sum> scores{scratch.take(query_rows * tile_stride), rows, columns,
                                  tile_stride, visible.data()};
      multiply_rows(tile, pieces_.scores(queries, keys, first, row, head, scores, scratch));
      hide_gradient(tile);
    }
    pieces_.add(segment, keys, first, row, head, queries, tile, scratch);
  }

  // sum_s weights dweights over the keys a row sees.
  static Sum row_dot(const T* weight, const T* dweight, const KeyRange& seen,
                     const ShownKeys& shown, std::int64_t row) {
    if constexpr (std::is_same_v<T, Sum>) {
      if (shown.plain()) {
        return dot(weight + seen.first, dweight + seen.first, seen.last - seen.first);
      }
    }
    Sum total = 0;
    for (auto s = seen.first; s < seen.last; ++s) {
      if (shown.shows(row, s)) total += static_cast<Sum>(weight[s]) * static_cast<Sum>(dweight[s]);
    }
    return total;
  }

  const AttentionWeightsBackwardArgs& a_;
  const AttentionShape shape_;
  const Pieces pieces_;
  std::int64_t scratch_numbers_ = 0;
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
