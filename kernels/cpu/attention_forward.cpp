#include <cmath>

#include "kernels/attention.h"
#include "kernels/core/tile_size.h"
#include "kernels/cpu/attention_form.h"
#include "kernels/cpu/attention_pattern.h"
#include "kernels/cpu/attention_tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

template <class T>
class Forward {
 public:
  explicit Forward(const AttentionForwardArgs& arguments)
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        q_(rows_of_each_head<const T>(a_.q, shape_.group)),
        k_(rows_of_each_key_head<const T>(a_.k)),
        v_(rows_of_key_heads<const T>(a_.v)) {
    std::int64_t total_width = 0;
    for (const auto& piece : q_) {
      widths_.push_back(piece.width);
      total_width += piece.width;
    }
    scratch_numbers_ = query_rows * (tile_stride + v_.width) +
                       read_scratch<T>(query_rows, total_width) +
                       read_scratch<T>(key_columns, total_width + v_.width);
  }

  // With one query position the rows of a block are the heads that share a key/value head: decoding
  // then reads each key once. Otherwise they are positions of one head.
  void run() const {
    const bool across_heads = shape_.rows == 1;
    const auto rows = across_heads ? shape_.group : shape_.rows;
    const auto heads = across_heads ? shape_.key_heads : shape_.heads();
    const auto blocks = blocks_of(rows, query_rows);
    parallel_for(shape_.sequences * heads * blocks, 1, [&](std::int64_t task, std::int64_t) {
      const auto first =
          (blocks - 1 - task % blocks) * query_rows;  // those that see most come first
      const auto head = task / blocks % heads;
      const auto count = std::min(query_rows, rows - first);
      const auto sequence = task / blocks / heads;
      if (across_heads) {
        block({sequence, 0, head * rows + first, count, 0});
      } else {
        block({sequence, first, head, count, 1});
      }
    });
  }

 private:
  using Sum = Accumulator<T>;
  static constexpr Sum minus_infinity = -std::numeric_limits<Sum>::infinity();

  // `count` rows: positions row, row + 1, .. of one head (step 1), or one position of heads head,
  // head + 1, .. (step 0).
  struct Block {
    std::int64_t sequence, row, head, count, step;
  };

  struct Totals {
    std::array<Sum, query_rows> maximum;
    std::array<Sum, query_rows> sum;
    std::array<Sum, query_rows> rescale;
  };

  RowSpan<Sum> read_queries(const HeadRows<const T>& x, const Block& at,
                            Scratch<Sum>& scratch) const {
    const auto stride = at.step == 1 ? x.row_step : x.head_in_group_step;
    return read_rows(x.at_head(at.sequence, at.row, at.head), stride, at.count, x.width, scratch);
  }

  void block(const Block& at) const {
    Scratch<Sum> scratch(scratch_numbers_);
    const BlockMask mask(a_.mask, at.sequence, at.row, at.step, at.count, shape_.keys);
    std::vector<RowSpan<Sum>> queries;
    for (const auto& piece : q_) queries.push_back(read_queries(piece, at, scratch));
    Sum* y = scratch.take(at.count * v_.width);
    std::fill_n(y, at.count * v_.width, Sum{0});
    Totals totals;
    totals.maximum.fill(minus_infinity);
    totals.sum.fill(0);
    Sum* scores = scratch.take(query_rows * tile_stride);
    for (auto first = mask.any.first; first < mask.any.last; first += key_columns) {
      auto of_chunk = scratch;
      chunk(at, mask, queries, first, std::min(key_columns, mask.any.last - first), scores, y,
            totals, of_chunk);
    }
    finish(at, y, totals);
  }

  void chunk(const Block& at, const BlockMask& mask, const std::vector<RowSpan<Sum>>& queries,
             std::int64_t first, std::int64_t columns, Sum* scores, Sum* y, Totals& totals,
             Scratch<Sum>& scratch) const {
    const auto key_head = at.head / shape_.group;
    std::vector<RowSpan<Sum>> keys;
    for (const auto& piece : k_) {
      keys.push_back(read_rows(piece.at(at.sequence, first, key_head, 0), piece.row_step, columns,
                               piece.width, scratch));
    }
    const auto values =
        read_rows(v_.at(at.sequence, first, key_head, 0), v_.row_step, columns, v_.width, scratch);
    std::array<KeyRange, query_rows> visible;
    mask.relative(first, columns, at.count, visible.data());
    const ScoreTile<Sum> tile{scores, at.count, columns, tile_stride, visible.data()};
    score_tile(queries, keys, widths_, a_.scales.as<Sum>(), tile);
    apply_form(a_.form, a_.mask, {at.head, at.row, at.step, first}, tile);
    if (a_.given_log_sum_exp.present()) {
      weights_from_log_sum_exp(tile, a_.given_log_sum_exp.as<Sum>() + log_sum_exp_at(at));
    } else {
      online_softmax(tile, totals.maximum.data(), totals.sum.data(), totals.rescale.data());
      for (std::int64_t i = 0; first > mask.any.first && i < at.count; ++i) {
        const auto rescale = totals.rescale[static_cast<std::size_t>(i)];
        if (rescale != 1) scale_row(y + i * v_.width, rescale, v_.width);
      }
    }
    weigh_values(tile, values, v_.width, y, v_.width);
  }

  std::int64_t log_sum_exp_at(const Block& at) const {
    return (at.sequence * shape_.heads() + at.head) * shape_.rows + at.row;
  }

  // Divides by the sums and hands the rows over.
  void finish(const Block& at, Sum* y, const Totals& totals) const {
    const bool given = a_.given_log_sum_exp.present();
    for (std::int64_t i = 0; i < at.count; ++i) {
      Sum* row = y + i * v_.width;
      const auto sum = totals.sum[static_cast<std::size_t>(i)];
      if (!given) {
        const bool saw_something = sum != 0;
        if (saw_something) scale_row(row, 1 / sum, v_.width);
        a_.log_sum_exp.as<Sum>()[log_sum_exp_at(at) + i] =
            saw_something ? totals.maximum[static_cast<std::size_t>(i)] + std::log(sum)
                          : minus_infinity;
      }
      const auto position = at.sequence * shape_.rows + at.row + i * at.step;
      const auto head = at.head + i * (1 - at.step);
      T* to = a_.y.as<T>() + (position * shape_.heads() + head) * v_.width;
      for (std::int64_t d = 0; d < v_.width; ++d) to[d] = static_cast<T>(row[d]);
    }
  }

  const AttentionForwardArgs& a_;
  const AttentionShape shape_;
  const std::vector<HeadRows<const T>> q_, k_;
  const HeadRows<const T> v_;
  std::vector<std::int64_t> widths_;
  std::int64_t scratch_numbers_ = 0;
};

void forward(const AttentionForwardArgs& arguments) {
  if (const auto rule = arguments.mask.rule(); !rule.plain()) {
    return attend_pattern(arguments, pattern_positions(rule));
  }
  visit_floating(arguments.v.dtype, [&]<class T>(TypeTag<T>) { Forward<T>(arguments).run(); });
}

const Registration registered{attention_forward, Backend::cpu, forward};
const TileSize queries{Backend::cpu, query_rows}, keys{Backend::cpu, key_columns};

}  // namespace
}  // namespace lookback::kernels
