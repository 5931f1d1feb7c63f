#include <cmath>

#include "kernels/cpu/attention_pattern_tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

template <class T>
class Forward {
 public:
  Forward(const AttentionForwardArgs& arguments, std::int64_t positions)
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        q_(rows_of_each_head<const T>(a_.q, shape_.group)),
        k_(rows_of_each_key_head<const T>(a_.k)),
        v_(rows_of_key_heads<const T>(a_.v)),
        y_(rows_of_heads<T>(a_.y, shape_.group)) {
    std::int64_t total_width = 0;
    for (const auto& piece : q_) {
      widths_.push_back(piece.width);
      total_width += piece.width;
    }
    scratch_numbers_ = query_rows * (tile_stride + v_.width + total_width) +
                       key_columns * (total_width + v_.width);
    for (std::int64_t i = 0; i < shape_.sequences * shape_.key_heads; ++i) {
      const auto some =
          pattern_blocks(shape_, i / shape_.key_heads, i % shape_.key_heads, positions);
      blocks_.insert(blocks_.end(), some.begin(), some.end());
    }
  }

  void run() const {
    parallel_for(
        static_cast<std::int64_t>(blocks_.size()), 1,
        [&](std::int64_t task, std::int64_t) { block(blocks_[static_cast<std::size_t>(task)]); });
  }

 private:
  using Sum = Accumulator<T>;
  static constexpr Sum minus_infinity = -std::numeric_limits<Sum>::infinity();

  struct Totals {
    std::array<Sum, query_rows> maximum, sum, rescale;
  };

  void block(const PatternBlock& at) const {
    Scratch<Sum> scratch(scratch_numbers_);
    const auto packed = pack_keys(shape_, at, {0, shape_.keys});
    std::vector<RowSpan<Sum>> queries;
    for (const auto& piece : q_) queries.push_back(gather_block(piece, at, scratch));
    Sum* y = scratch.take(at.count() * v_.width);
    std::fill_n(y, at.count() * v_.width, Sum{0});
    Totals totals;
    totals.maximum.fill(minus_infinity);
    totals.sum.fill(0);
    for (std::int64_t first = 0; first < packed.columns(); first += key_columns) {
      tile(at, packed, first, queries, y, totals, scratch);
    }
    finish(at, y, totals);
  }

  void tile(const PatternBlock& at, const PackedKeys& packed, std::int64_t first,
            const std::vector<RowSpan<Sum>>& queries, Sum* y, Totals& totals,
            Scratch<Sum> scratch) const {
    const PatternTile of(packed, first);
    const auto key_head = at.head / shape_.group;
    const auto gather = [&](const HeadRows<const T>& x) {
      const auto row_at = [&](std::int64_t s) {
        return x.at(at.sequence, packed.keys[static_cast<std::size_t>(first + s)], key_head, 0);
      };
      return gather_rows<T>(of.columns, x.width, row_at, scratch);
    };
    std::vector<RowSpan<Sum>> keys;
    for (const auto& piece : k_) keys.push_back(gather(piece));
    const auto values = gather(v_);
    const auto scores = of.of(scratch.take(query_rows * tile_stride), at.count());
    score_tile(queries, keys, widths_, a_.scales.as<Sum>(), scores);
    finish_scores(a_.form, shape_, at, packed, of, scores);
    if (a_.given_log_sum_exp.present()) {
      const auto given = row_numbers(a_.given_log_sum_exp.as<Sum>(), shape_, at);
      weights_from_log_sum_exp(scores, given.data());
    } else {
      online_softmax(scores, totals.maximum.data(), totals.sum.data(), totals.rescale.data());
      for (std::int64_t i = 0; first > 0 && i < at.count(); ++i) {
        const auto rescale = totals.rescale[static_cast<std::size_t>(i)];
        if (rescale != 1) scale_row(y + i * v_.width, rescale, v_.width);
      }
    }
    weigh_values(scores, values, v_.width, y, v_.width);
  }

  // Divides by the sums and hands the rows over.
  void finish(const PatternBlock& at, Sum* y, const Totals& totals) const {
    for (std::int64_t i = 0; i < at.count(); ++i) {
      Sum* row = y + i * v_.width;
      const auto place = static_cast<std::size_t>(i);
      if (!a_.given_log_sum_exp.present()) {
        const auto sum = totals.sum[place];
        const bool saw_something = sum != 0;
        if (saw_something) scale_row(row, 1 / sum, v_.width);
        const auto heads = at.sequence * shape_.heads() + at.head_of(i);
        a_.log_sum_exp.as<Sum>()[heads * shape_.rows + at.row_of(i)] =
            saw_something ? totals.maximum[place] + std::log(sum) : minus_infinity;
      }
      T* to = y_.at_head(at.sequence, at.row_of(i), at.head_of(i));
      for (std::int64_t d = 0; d < v_.width; ++d) to[d] = static_cast<T>(row[d]);
    }
  }

  const AttentionForwardArgs& a_;
  const AttentionShape shape_;
  const std::vector<HeadRows<const T>> q_, k_;
  const HeadRows<const T> v_;
  const HeadRows<T> y_;
  std::vector<std::int64_t> widths_;
  std::int64_t scratch_numbers_ = 0;
  std::vector<PatternBlock> blocks_;
};

}  // namespace

void attend_pattern(const AttentionForwardArgs& arguments, std::int64_t positions) {
  visit_floating(arguments.v.dtype,
                 [&]<class T>(TypeTag<T>) { Forward<T>(arguments, positions).run(); });
}

}  // namespace lookback::kernels
