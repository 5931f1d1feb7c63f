#include "kernels/cpu/attention_pattern_tiles.h"
#include "kernels/cpu/attention_score_gradient.h"

namespace lookback::kernels {
namespace {

// The workers are those of attention_score_gradient.h. Each goes through all blocks of rows of its
// heads, in their order, and adds up the gradients of its segment's keys and values.
template <class T>
class Backward {
 public:
  Backward(const AttentionBackwardArgs& arguments, std::int64_t positions)
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        pieces_(a_),
        q_(rows_of_each_head<const T>(a_.q, shape_.group)),
        v_(rows_of_key_heads<const T>(a_.v)),
        dv_(rows_of_key_heads<T>(a_.dv)),
        dy_(rows_of_heads<const T>(a_.dy, shape_.group)),
        y_(rows_of_heads<const T>(a_.y, shape_.group)),
        positions_(positions) {
    std::int64_t total_width = 0;
    for (const auto& piece : q_) total_width += piece.width;
    tile_scratch_ =
        query_rows * (3 * tile_stride + total_width) + key_columns * 2 * (total_width + v_.width);
    block_scratch_ = query_rows * (total_width + 2 * v_.width);
  }

  void run() const {
    parallel_for(pieces_.workers(), 1, [&](std::int64_t worker, std::int64_t) {
      const auto segment = pieces_.segment_of(worker);
      pieces_.begin(segment);
      if (segment.first < segment.last) of_segment(segment);
    });
    pieces_.finish();
  }

 private:
  using Sum = Accumulator<T>;
  using Pieces = ScoreGradient<T, AttentionBackwardArgs>;

  // A worker's keys and values, and the sums of their gradients.
  struct Keys {
    const KeySegment& segment;
    typename Pieces::Chunk keys;
    Sum* dv;
  };
  // A block's rows.
  struct Rows {
    const PatternBlock& block;
    const PackedKeys& packed;
    std::vector<RowSpan<Sum>> queries;
    RowSpan<Sum> dy;
    std::array<Sum, query_rows> row_dot, log_sum_exp;
  };

  void of_segment(const KeySegment& segment) const {
    const auto columns = segment.last - segment.first;
    Scratch<Sum> scratch(pieces_.chunk_scratch(columns) + columns * v_.width + tile_scratch_ +
                         block_scratch_);
    Keys keys{segment,
              pieces_.begin({.sequence = segment.sequence,
                             .key_head = segment.key_head,
                             .first = segment.first,
                             .columns = columns},
                            scratch),
              scratch.take(columns * v_.width)};
    std::fill_n(keys.dv, columns * v_.width, Sum{0});
    for (const auto& block :
         pattern_blocks(shape_, segment.sequence, segment.key_head, positions_)) {
      const auto packed = pack_keys(shape_, block, {segment.first, segment.last});
      if (packed.columns() > 0) of_block(keys, block, packed, scratch);
    }
    pieces_.end(keys.keys);
    for (std::int64_t s = 0; dv_.present() && s < columns; ++s) {
      T* to = dv_.at(segment.sequence, segment.first + s, segment.key_head, 0);
      for (std::int64_t d = 0; d < v_.width; ++d) to[d] = static_cast<T>(keys.dv[s * v_.width + d]);
    }
  }

  void of_block(const Keys& keys, const PatternBlock& block, const PackedKeys& packed,
                Scratch<Sum> scratch) const {
    Rows rows{.block = block,
              .packed = packed,
              .queries = {},
              .dy = {},
              .row_dot = {},
              .log_sum_exp = {}};
    for (const auto& piece : q_) rows.queries.push_back(gather_block(piece, block, scratch));
    rows.dy = gather_block(dy_, block, scratch);
    const auto y = gather_block(y_, block, scratch);
    for (std::int64_t i = 0; i < block.count(); ++i) {
      rows.row_dot[static_cast<std::size_t>(i)] = dot(rows.dy.row(i), y.row(i), v_.width);
    }
    rows.log_sum_exp = row_numbers(a_.log_sum_exp.as<Sum>(), shape_, block);
    for (std::int64_t first = 0; first < packed.columns(); first += key_columns) {
      of_tile(keys, rows, first, scratch);
    }
  }

  void of_tile(const Keys& keys, const Rows& rows, std::int64_t first, Scratch<Sum> scratch) const {
    const PatternTile at(rows.packed, first);
    const auto count = rows.block.count();
    const std::int64_t* columns = rows.packed.keys.data() + first;
    const auto packed_keys = pieces_.pack(keys.keys, columns, at.columns, scratch);
    const auto weights = at.of(scratch.take(query_rows * tile_stride), count);
    Sum* cap_derivative = a_.form.soft_cap > 0 ? scratch.take(query_rows * tile_stride) : nullptr;
    pieces_.sums_of_products(rows.queries, packed_keys, weights);
    finish_scores(a_.form, shape_, rows.block, rows.packed, at, weights, cap_derivative);
    weights_from_log_sum_exp(weights, rows.log_sum_exp.data());
    hide_gradient(weights);  // of a row that is NaN as well
    if (dv_.present()) add_values_gradient(keys, rows, columns, weights, scratch);
    if (!wants_scores(a_)) return;
    const auto values = gather_rows<T>(
        at.columns, v_.width,
        [&](std::int64_t s) {
          return v_.at(keys.segment.sequence, columns[s], keys.segment.key_head, 0);
        },
        scratch);
    const auto gradient = at.of(scratch.take(query_rows * tile_stride), count);
    tile_product(Gemm<Sum>{.m = count,
                           .n = at.columns,
                           .k = v_.width,
                           .a = rows.dy.data,
                           .a_stride = rows.dy.stride,
                           .b = values.data,
                           .b_stride = values.stride,
                           .b_layout = Layout::transposed,
                           .c = gradient.data,
                           .c_stride = tile_stride});
    score_gradient(weights, gradient.data, tile_stride, rows.row_dot.data());
    if (cap_derivative != nullptr) multiply_rows(gradient, cap_derivative);
    hide_gradient(gradient);
    pieces_.add_packed(
        keys.segment, keys.keys, {columns, packed_keys},
        [&](std::int64_t i) {
          return typename Pieces::QueryRow{rows.block.row_of(i), rows.block.head_of(i)};
        },
        rows.queries, gradient, scratch);
  }

  // dv += weights^T dy, for the columns' keys.
  void add_values_gradient(const Keys& keys, const Rows& rows, const std::int64_t* columns,
                           const ScoreTile<Sum>& weights, Scratch<Sum> scratch) const {
    Sum* sums = scratch.take(weights.columns * v_.width);
    weigh_rows(weights, rows.dy, v_.width,
               {.data = sums, .stride = v_.width, .into = Into::overwrite});
    for (std::int64_t s = 0; s < weights.columns; ++s) {
      Sum* to = keys.dv + (columns[s] - keys.segment.first) * v_.width;
      for (std::int64_t d = 0; d < v_.width; ++d) to[d] += sums[s * v_.width + d];
    }
  }

  const AttentionBackwardArgs& a_;
  const AttentionShape shape_;
  const Pieces pieces_;
  const std::vector<HeadRows<const T>> q_;
  const HeadRows<const T> v_;
  const HeadRows<T> dv_;
  const HeadRows<const T> dy_, y_;
  const std::int64_t positions_;
  std::int64_t tile_scratch_ = 0, block_scratch_ = 0;
};

}  // namespace

void attend_pattern_backward(const AttentionBackwardArgs& arguments, std::int64_t positions) {
  visit_floating(arguments.v.dtype,
                 [&]<class T>(TypeTag<T>) { Backward<T>(arguments, positions).run(); });
}

}  // namespace lookback::kernels
