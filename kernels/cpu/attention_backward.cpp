#include "kernels/attention.h"

#include <utility>

#include "kernels/core/tile_size.h"
#include "kernels/cpu/attention_pattern.h"
#include "kernels/cpu/attention_score_gradient.h"

namespace lookback::kernels {
namespace {

template <class T>
class Backward {
 public:
  explicit Backward(const AttentionBackwardArgs& arguments)
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        pieces_(a_),
        v_(rows_of_key_heads<const T>(a_.v)),
        dv_(rows_of_key_heads<T>(a_.dv)) {
    scratch_numbers_ = pieces_.chunk_scratch() + key_columns * v_.width +
                       read_scratch<T>(key_columns, v_.width) + pieces_.block_scratch() +
                       2 * query_rows * tile_stride + pieces_.cap_scratch() +
                       read_scratch<T>(2 * query_rows, v_.width);
    for (std::size_t r = 0; r < a_.replayed_v.size(); ++r) {
      replays_.push_back({a_.replayed_dy[r].as<T>(), rows_of_key_heads<const T>(a_.replayed_v[r])});
      scratch_numbers_ += read_scratch<T>(query_rows + key_columns, replays_.back().v.width);
    }
  }

  void run() const {
    if (a_.given_dlog_sum_exp.present()) write_given_dlog_sum_exp();
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
  using Pieces = ScoreGradient<T, AttentionBackwardArgs>;

  struct Values {
    RowSpan<Sum> v;
    Sum* dv;
  };
  // A later run of the same weights.
  struct Replay {
    const T* dy;
    HeadRows<const T> v;
  };

  // Of `rows` query rows from `row`, in dy or y of values of this width.
  RowSpan<Sum> output_rows(const T* data, std::int64_t width, std::int64_t sequence,
                           std::int64_t row, std::int64_t head, std::int64_t rows,
                           Scratch<Sum>& scratch) const {
    const auto offset = ((sequence * shape_.rows + row) * shape_.heads() + head) * width;
    return read_rows(data + offset, shape_.heads() * width, rows, width, scratch);
  }

  void write_given_dlog_sum_exp() const {
    const auto heads = shape_.heads();
    parallel_for(shape_.sequences * heads, 1, [&](std::int64_t pair, std::int64_t) {
      Scratch<Sum> all(2 * read_scratch<T>(shape_.rows, v_.width));
      const auto sequence = pair / heads, head = pair % heads;
      const auto of = [&](const T* data) {
        return output_rows(data, v_.width, sequence, 0, head, shape_.rows, all);
      };
      const auto dy = of(a_.dy.as<T>()), y = of(a_.y.as<T>());
      Sum* to = a_.given_dlog_sum_exp.as<Sum>() + pair * shape_.rows;
      for (std::int64_t t = 0; t < shape_.rows; ++t) to[t] = -dot(dy.row(t), y.row(t), v_.width);
    });
  }

  void chunk(const KeySegment& segment, const KeyChunk& at) const {
    Scratch<Sum> scratch(scratch_numbers_);
    const auto keys = pieces_.begin(at, scratch);
    const Values values{read_rows(v_.at(at.sequence, at.first, at.key_head, 0), v_.row_step,
                                  at.columns, v_.width, scratch),
                        scratch.take(at.columns * v_.width)};
    std::fill_n(values.dv, at.columns * v_.width, Sum{0});
    for (auto head = at.key_head * shape_.group; head < (at.key_head + 1) * shape_.group; ++head) {
      for (std::int64_t row = 0; row < shape_.rows; row += query_rows) {
        block(segment, keys, values, row, head, scratch);
      }
    }
    pieces_.end(keys);
    for (std::int64_t s = 0; dv_.present() && s < at.columns; ++s) {
      T* to = dv_.at(at.sequence, at.first + s, at.key_head, 0);
      for (std::int64_t d = 0; d < v_.width; ++d)
        to[d] = static_cast<T>(values.dv[s * v_.width + d]);
    }
  }

  // One block of query rows against the keys of the chunk that it sees.
  void block(const KeySegment& segment, const typename Pieces::Chunk& keys, const Values& values,
             std::int64_t row, std::int64_t head, Scratch<Sum> scratch) const {
    const auto& at = keys.at;
    const auto rows = std::min(query_rows, shape_.rows - row);
    const BlockMask mask(a_.mask, at.sequence, row, 1, rows, shape_.keys);
    const auto first = std::max<std::int64_t>(0, mask.any.first - at.first);
    const auto columns = std::min(at.columns, mask.any.last - at.first) - first;
    if (columns <= 0) return;
    std::array<KeyRange, query_rows> visible;
    mask.relative(at.first + first, columns, rows, visible.data());

    const auto queries = pieces_.queries(at.sequence, row, head, rows, scratch);
    const ScoreTile<Sum> weights{scratch.take(query_rows * tile_stride), rows, columns, tile_stride,
                                 visible.data()};
    const Sum* cap_derivative = pieces_.scores(queries, keys, first, row, head, weights, scratch);
    const auto first_number = (at.sequence * shape_.heads() + head) * shape_.rows + row;
    weights_from_log_sum_exp(weights, a_.log_sum_exp.as<Sum>() + first_number);
    RowSpan<Sum> dy;
    if (a_.dy.present()) {
      dy = output_rows(a_.dy.as<T>(), v_.width, at.sequence, row, head, rows, scratch);
      if (dv_.present()) {
        weigh_rows(weights, dy, v_.width,
                   {.data = values.dv + first * v_.width, .stride = v_.width});
      }
    }
    if (!wants_scores(a_)) return;
    std::array<Sum, query_rows> row_dot{};
    Sum* gradient = scratch.take(query_rows * tile_stride);
    const ScoreTile<Sum> tile{gradient, rows, columns, tile_stride, visible.data()};
    auto into = Into::overwrite;
    if (a_.dy.present()) {
      const auto y = output_rows(a_.y.as<T>(), v_.width, at.sequence, row, head, rows, scratch);
      for (std::int64_t i = 0; i < rows; ++i) {
        row_dot[static_cast<std::size_t>(i)] = dot(dy.row(i), y.row(i), v_.width);
      }
      add_weight_gradient(dy, values.v.from(first), v_.width, into, tile);
      into = Into::sum;
    }
    for (const auto& replay : replays_) {
      const auto width = replay.v.width;
      const auto slopes = output_rows(replay.dy, width, at.sequence, row, head, rows, scratch);
      const auto* keys_of_replay = replay.v.at(at.sequence, at.first + first, at.key_head, 0);
      const auto v = read_rows(keys_of_replay, replay.v.row_step, columns, width, scratch);
      add_weight_gradient(slopes, v, width, std::exchange(into, Into::sum), tile);
    }
    if (a_.dlog_sum_exp.present()) {
      const Sum* more = a_.dlog_sum_exp.as<Sum>() + first_number;
      for (std::int64_t i = 0; i < rows; ++i) row_dot[static_cast<std::size_t>(i)] -= more[i];
    }
    score_gradient(weights, gradient, tile_stride, row_dot.data());
    if (cap_derivative != nullptr) multiply_rows(tile, cap_derivative);
    pieces_.add(segment, keys, first, row, head, queries, tile, scratch);
  }

  // tile (+)= dy v^T
  static void add_weight_gradient(const RowSpan<Sum>& dy, const RowSpan<Sum>& v, std::int64_t width,
                                  Into into, const ScoreTile<Sum>& tile) {
    tile_product(Gemm<Sum>{.m = tile.rows,
                           .n = tile.columns,
                           .k = width,
                           .a = dy.data,
                           .a_stride = dy.stride,
                           .b = v.data,
                           .b_stride = v.stride,
                           .b_layout = Layout::transposed,
                           .c = tile.data,
                           .c_stride = tile.stride,
                           .into = into});
  }

  const AttentionBackwardArgs& a_;
  const AttentionShape shape_;
  const Pieces pieces_;
  const HeadRows<const T> v_;
  const HeadRows<T> dv_;
  std::vector<Replay> replays_;
  std::int64_t scratch_numbers_ = 0;
};

void backward(const AttentionBackwardArgs& arguments) {
  if (const auto rule = arguments.mask.rule(); !rule.plain()) {
    return attend_pattern_backward(arguments, pattern_positions(rule));
  }
  visit_floating(arguments.v.dtype, [&]<class T>(TypeTag<T>) { Backward<T>(arguments).run(); });
}

std::size_t workspace_bytes(const AttentionBackwardArgs& a) {
  return attention_backward_workspace_bytes(a.q, a.k[0]);
}

const Registration registered{attention_backward, Backend::cpu, backward, workspace_bytes};
// From here on keys are cut into segments.
const TileSize two_segments{Backend::cpu, 2 * min_segment};

}  // namespace
}  // namespace lookback::kernels
