// A tile of query rows with all heads and all keys that the rows see, which the kernels of composed
// attention (kernels/composed_attention.h) go through: its numbers are [heads, rows, keys]. How
// many rows it has follows from the sizes alone. Keys are counted from the first that a row of the
// tile sees.
#pragma once

#include <vector>

#include "kernels/composed_attention.h"
#include "kernels/cpu/attention_form.h"
#include "kernels/cpu/attention_tiles.h"
#include "kernels/cpu/composed_rows.h"
#include "kernels/cpu/shown_keys.h"

namespace lookback::kernels {

// Where compose() stands: before the softmax or after it.
enum class Composing : std::int64_t { scores = 0, weights = 1 };

struct ComposedTile {
  static constexpr std::int64_t most_rows = 32;

  std::int64_t sequence = 0, row = 0, rows = 0;
  std::int64_t first = 0, columns = 0;      // of the keys
  std::int64_t stride = 0, head_step = 0;   // from row to row, from head to head
  std::array<KeyRange, most_rows> visible;  // of each row

  // What row i sees of keys [begin, begin + key_columns).
  KeyRange seen(std::int64_t i, std::int64_t begin) const {
    const auto& all = visible[static_cast<std::size_t>(i)];
    const auto end = std::min(begin + key_columns, columns);
    const auto from = std::clamp(all.first, begin, end);
    return {from, std::max(from, std::clamp(all.last, begin, end))};
  }
  // The same of all rows, counted from `begin`.
  std::array<KeyRange, most_rows> visible_in(std::int64_t begin) const {
    std::array<KeyRange, most_rows> ranges;
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto range = seen(i, begin);
      ranges[static_cast<std::size_t>(i)] = {range.first - begin, range.last - begin};
    }
    return ranges;
  }
  template <class Sum>
  ScoreTile<Sum> of_head(Sum* x, std::int64_t head) const {
    return {x + head * head_step, rows, columns, stride, visible.data()};
  }
};

// Calls body(first key, how many) for each chunk of the tile's keys.
template <class Body>
void for_each_chunk(const ComposedTile& tile, const Body& body) {
  for (std::int64_t begin = 0; begin < tile.columns; begin += key_columns) {
    body(begin, std::min(key_columns, tile.columns - begin));
  }
}

template <class T>
class ComposedScores {
 public:
  using Sum = Accumulator<T>;

  template <class Arguments>
  explicit ComposedScores(const Arguments& a)
      : shape_(shape_of({a.q}, {a.k}, a.mask)),
        rank_((a.query_mixing.size(3) - 1) / 2),
        q_(rows_of_heads<const T>(a.q, shape_.group)),
        k_(rows_of_key_heads<const T>(a.k)),
        query_mixing_(a.query_mixing),
        key_mixing_(a.key_mixing),
        fixed_mixing_(a.fixed_mixing.template as<Sum>()),
        scale_(static_cast<double>(*a.scale.template as<Sum>())),
        form_(a.form),
        mask_(a.mask) {
    // A tile's numbers take about a megabyte.
    constexpr std::int64_t numbers = 1 << 18;
    while (tile_rows_ > 8 && tile_rows_ * shape_.heads() * shape_.keys > numbers) tile_rows_ /= 2;
  }

  const AttentionShape& shape() const { return shape_; }
  double scale() const { return scale_; }
  bool capped() const { return form_.soft_cap > 0; }
  std::int64_t tiles() const { return blocks_of(shape_.rows, tile_rows_); }
  std::int64_t mixing_rows() const { return 2 * rank_ + 1; }
  // Numbers of one side of compose(): of a row or a key.
  std::int64_t mixing_numbers() const { return mixing_rows() * shape_.heads(); }

  // Scratch that the [heads, rows, keys] numbers of a tile take.
  std::int64_t tile_scratch() const { return shape_.heads() * head_step(tile_rows_, shape_.keys); }
  // Scratch that the functions below take.
  std::int64_t row_scratch() const {
    return 2 * mixing_numbers() * tile_stride + compose_scratch(shape_.heads(), rank_) +
           read_scratch<T>(ComposedTile::most_rows, shape_.heads() * q_.width) +
           read_scratch<T>(key_columns, q_.width);
  }

  ComposedTile tile(std::int64_t sequence, std::int64_t number) const {
    ComposedTile tile{.sequence = sequence, .row = number * tile_rows_, .visible = {}};
    tile.rows = std::min(tile_rows_, shape_.rows - tile.row);
    KeyRange any;
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      const auto range = shape_.keys_of(sequence, tile.row + i);
      tile.visible[static_cast<std::size_t>(i)] = range;
      if (range.empty()) continue;
      if (any.empty()) any = range;
      any = {std::min(any.first, range.first), std::max(any.last, range.last)};
    }
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      auto& range = tile.visible[static_cast<std::size_t>(i)];
      range =
          range.empty() ? KeyRange{} : KeyRange{range.first - any.first, range.last - any.first};
    }
    tile.first = any.first;
    tile.columns = any.last - any.first;
    tile.stride = stride_of(tile.columns);
    tile.head_step = head_step(tile_rows_, tile.columns);
    return tile;
  }

  // The query rows of the tile, of each head; the keys of a chunk, of one key head.
  std::vector<RowSpan<Sum>> queries(const ComposedTile& tile, Scratch<Sum>& scratch) const {
    std::vector<RowSpan<Sum>> result;
    for (std::int64_t head = 0; head < shape_.heads(); ++head) {
      result.push_back(read_rows(q_.at_head(tile.sequence, tile.row, head), q_.row_step, tile.rows,
                                 q_.width, scratch));
    }
    return result;
  }
  RowSpan<Sum> keys(const ComposedTile& tile, std::int64_t begin, std::int64_t count,
                    std::int64_t key_head, Scratch<Sum>& scratch) const {
    return read_rows(k_.at(tile.sequence, tile.first + begin, key_head, 0), k_.row_step, count,
                     k_.width, scratch);
  }

  // x becomes S. `cap_slope`, where it is not null, becomes the derivative of the soft cap.
  void scores(const ComposedTile& tile, Sum* x, Sum* cap_slope, Scratch<Sum> scratch) const {
    const auto queries_of_tile = queries(tile, scratch);
    for_each_chunk(tile, [&](std::int64_t begin, std::int64_t count) {
      for (std::int64_t key_head = 0; key_head < shape_.key_heads; ++key_head) {
        auto of_chunk = scratch;
        const auto keys_of_chunk = keys(tile, begin, count, key_head, of_chunk);
        for (auto head = key_head * shape_.group; head < (key_head + 1) * shape_.group; ++head) {
          const auto& query = queries_of_tile[static_cast<std::size_t>(head)];
          tile_product(Gemm<Sum>{.m = tile.rows,
                                 .n = count,
                                 .k = q_.width,
                                 .a = query.data,
                                 .a_stride = query.stride,
                                 .b = keys_of_chunk.data,
                                 .b_stride = keys_of_chunk.stride,
                                 .b_layout = Layout::transposed,
                                 .c = x + head * tile.head_step + begin,
                                 .c_stride = tile.stride,
                                 .alpha = scale_});
        }
      }
    });
    if (form_.plain()) return;
    for (std::int64_t head = 0; head < shape_.heads(); ++head) {
      apply_form(form_, mask_, {head, tile.row, 1, tile.first}, tile.of_head(x, head),
                 cap_slope == nullptr ? nullptr : cap_slope + head * tile.head_step);
    }
  }

  // What a head does not see of its rows' ranges becomes -inf.
  void hide(const ComposedTile& tile, Sum* x) const {
    for (std::int64_t head = 0; head < shape_.heads(); ++head) {
      const ShownKeys shown(mask_, tile.sequence, head, tile.row, tile.rows, shape_.keys);
      if (shown.plain()) return;
      auto scores_of_head = tile.of_head(x, head);
      scores_of_head.shown = shown.from(tile.first);
      scores_of_head.shown_stride = shown.stride();
      hide_scores(scores_of_head);
    }
  }

  // compose() of the numbers x of a tile, where the rows see; the others are not touched.
  void compose_tile(Composing which, const ComposedTile& tile, Sum* x, Scratch<Sum> scratch) const {
    Sum* key = scratch.take(mixing_numbers() * tile_stride);
    Sum* work = scratch.take(compose_scratch(shape_.heads(), rank_));
    for_each_chunk(tile, [&](std::int64_t begin, std::int64_t count) {
      read_key_mixing(which, tile, begin, count, key);
      for (std::int64_t i = 0; i < tile.rows; ++i) {
        const auto seen = tile.seen(i, begin);
        if (seen.empty()) continue;
        compose(mixing(which, tile, i, key + seen.first - begin), x + i * tile.stride + seen.first,
                tile.head_step, seen.last - seen.first, work);
      }
    });
  }

  // From the gradient of the composed numbers to that of x, in its place. Adds to dquery
  // [rows, 2, 2 R + 1, H] of the tile, dkey [S, 2, 2 R + 1, H] of the sequence, dfixed [2, H, H].
  void compose_tile_gradient(Composing which, const ComposedTile& tile, const Sum* x, Sum* gradient,
                             Sum* dquery, Sum* dkey, Sum* dfixed, Scratch<Sum> scratch) const {
    Sum* key = scratch.take(mixing_numbers() * tile_stride);
    Sum* dkey_of_chunk = scratch.take(mixing_numbers() * tile_stride);
    Sum* work = scratch.take(compose_scratch(shape_.heads(), rank_));
    const auto c = static_cast<std::int64_t>(which);
    for_each_chunk(tile, [&](std::int64_t begin, std::int64_t count) {
      read_key_mixing(which, tile, begin, count, key);
      std::fill_n(dkey_of_chunk, mixing_numbers() * tile_stride, Sum{0});
      for (std::int64_t i = 0; i < tile.rows; ++i) {
        const auto seen = tile.seen(i, begin);
        if (seen.empty()) continue;
        const auto at = i * tile.stride + seen.first;
        const auto from = seen.first - begin;
        compose_gradient(mixing(which, tile, i, key + from), x + at, gradient + at, tile.head_step,
                         seen.last - seen.first,
                         {.query = dquery + (2 * i + c) * mixing_numbers(),
                          .key = dkey_of_chunk + from,
                          .fixed = dfixed + c * shape_.heads() * shape_.heads()},
                         work);
      }
      Sum* to = dkey + (2 * (tile.first + begin) + c) * mixing_numbers();
      for (std::int64_t j = 0; j < count; ++j) {
        for (std::int64_t n = 0; n < mixing_numbers(); ++n) {
          to[2 * j * mixing_numbers() + n] += dkey_of_chunk[n * tile_stride + j];
        }
      }
    });
  }

 private:
  // Rows and heads that lie an odd number of cache lines apart spread over the cache.
  static std::int64_t stride_of(std::int64_t columns) { return (columns + 15) / 16 * 16; }
  static std::int64_t head_step(std::int64_t rows, std::int64_t columns) {
    return rows * stride_of(columns) + 16;
  }

  const Sum* mixing_at(const In& x, Composing which, std::int64_t sequence,
                       std::int64_t position) const {
    return x.as<Sum>() + sequence * x.stride(0) + position * x.stride(1) +
           static_cast<std::int64_t>(which) * mixing_numbers();
  }

  // key[n, j] of the chunk's keys, rows tile_stride apart.
  void read_key_mixing(Composing which, const ComposedTile& tile, std::int64_t begin,
                       std::int64_t count, Sum* key) const {
    for (std::int64_t j = 0; j < count; ++j) {
      const Sum* from = mixing_at(key_mixing_, which, tile.sequence, tile.first + begin + j);
      for (std::int64_t n = 0; n < mixing_numbers(); ++n) key[n * tile_stride + j] = from[n];
    }
  }

  PairMixing<Sum> mixing(Composing which, const ComposedTile& tile, std::int64_t i,
                         const Sum* key) const {
    const auto c = static_cast<std::int64_t>(which);
    return {.heads = shape_.heads(),
            .rank = rank_,
            .query = mixing_at(query_mixing_, which, tile.sequence, tile.row + i),
            .key = key,
            .key_step = tile_stride,
            .fixed = fixed_mixing_ == nullptr
                         ? nullptr
                         : fixed_mixing_ + c * shape_.heads() * shape_.heads()};
  }

  const AttentionShape shape_;
  const std::int64_t rank_;
  const HeadRows<const T> q_, k_;
  const In query_mixing_, key_mixing_;
  const Sum* fixed_mixing_;
  const double scale_;
  const ScoreForm form_;
  const CausalMaskView mask_;
  std::int64_t tile_rows_ = ComposedTile::most_rows;
};

}  // namespace lookback::kernels
