// What composed attention (kernels/composed_attention.h) makes of a tile: its scores, composed and
// hidden, and the gradients of both compositions.
#pragma once

#include <vector>

#include "kernels/composed_attention.h"
#include "kernels/cpu/attention_form.h"
#include "kernels/cpu/attention_pattern_tiles.h"
#include "kernels/cpu/composed_rows.h"
#include "kernels/cpu/composed_tile.h"

namespace lookback::kernels {

// Where compose() stands: before the softmax or after it.
enum class Composing : std::int64_t { scores = 0, weights = 1 };

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
        mask_(a.mask),
        tiles_(shape_, rows_of_tile(shape_)) {}

  const AttentionShape& shape() const { return shape_; }
  double scale() const { return scale_; }
  bool capped() const { return form_.soft_cap > 0; }
  std::int64_t tiles() const { return tiles_.count(); }
  ComposedTile tile(std::int64_t sequence, std::int64_t number) const {
    return tiles_.tile(sequence, number);
  }
  std::int64_t mixing_rows() const { return 2 * rank_ + 1; }
  // Numbers of one side of compose(): of a row or a key.
  std::int64_t mixing_numbers() const { return mixing_rows() * shape_.heads(); }

  // Scratch that the [heads, rows, columns] numbers of a tile take.
  std::int64_t tile_scratch() const { return tiles_.scratch(); }
  // Scratch that the functions below take.
  std::int64_t row_scratch() const {
    return 2 * mixing_numbers() * tile_stride + compose_scratch(shape_.heads(), rank_) +
           read_scratch<T>(ComposedTile::most_rows, shape_.heads() * q_.width) +
           key_columns * q_.width;
  }

  // The query rows of the tile, of each head; the keys of a chunk, of one key head.
  std::vector<RowSpan<Sum>> queries(const ComposedTile& tile, Scratch<Sum>& scratch) const {
    std::vector<RowSpan<Sum>> result;
    for (std::int64_t head = 0; head < shape_.heads(); ++head) {
      result.push_back(read_rows(q_.at_head(tile.sequence, tile.row, head), tile.step * q_.row_step,
                                 tile.rows, q_.width, scratch));
    }
    return result;
  }
  RowSpan<Sum> keys(const ComposedTile& tile, std::int64_t begin, std::int64_t count,
                    std::int64_t key_head, Scratch<Sum>& scratch) const {
    return rows_of_chunk(k_, tile, begin, count, key_head, scratch);
  }
  // The rows of a chunk's keys in an operand of one row for each key: takes key_columns * x.width
  // of scratch at most.
  static RowSpan<Sum> rows_of_chunk(const HeadRows<const T>& x, const ComposedTile& tile,
                                    std::int64_t begin, std::int64_t count, std::int64_t key_head,
                                    Scratch<Sum>& scratch) {
    if (!tile.packed()) {
      return read_rows(x.at(tile.sequence, tile.first + begin, key_head, 0), x.row_step, count,
                       x.width, scratch);
    }
    const auto row_at = [&](std::int64_t column) {
      return x.at(tile.sequence, tile.key_of(begin + column), key_head, 0);
    };
    return gather_rows<T>(count, x.width, row_at, scratch);
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
      const TilePlace place{.head = head,
                            .row = tile.row,
                            .step = tile.step,
                            .first_key = tile.first,
                            .keys = tile.packed() ? tile.keys.data() : nullptr};
      apply_form(form_, mask_, place, tile.of_head(x, head),
                 cap_slope == nullptr ? nullptr : cap_slope + head * tile.head_step);
    }
  }

  // What a head does not see of its rows' ranges becomes -inf.
  void hide(const ComposedTile& tile, Sum* x) const {
    for (std::int64_t head = 0; head < shape_.heads(); ++head) {
      hide_scores(tile.seen_by_head(x, head));
    }
  }
  // What no head sees of its rows' ranges becomes 0, whatever it was: composing multiplies by what
  // the key holds.
  void clear_hidden(const ComposedTile& tile, Sum* x) const {
    for (std::int64_t head = 0; head < shape_.heads(); ++head) hide_gradient(tile.of_head(x, head));
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
  // [T, 2, 2 R + 1, H] from the tile's first row on, dkey [S, 2, 2 R + 1, H] of the sequence,
  // dfixed [2, H, H].
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
                         {.query = dquery + (2 * i * tile.step + c) * mixing_numbers(),
                          .key = dkey_of_chunk + from,
                          .fixed = dfixed + c * shape_.heads() * shape_.heads()},
                         work);
      }
      for (std::int64_t j = 0; j < count; ++j) {
        Sum* to = dkey + (2 * tile.key_of(begin + j) + c) * mixing_numbers();
        for (std::int64_t n = 0; n < mixing_numbers(); ++n) {
          to[n] += dkey_of_chunk[n * tile_stride + j];
        }
      }
    });
  }

 private:
  // A tile's numbers take about a megabyte.
  static std::int64_t rows_of_tile(const AttentionShape& shape) {
    constexpr std::int64_t numbers = 1 << 18;
    auto rows = ComposedTile::most_rows;
    while (rows > 8 && rows * shape.heads() * shape.keys > numbers) rows /= 2;
    return rows;
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
      const Sum* from = mixing_at(key_mixing_, which, tile.sequence, tile.key_of(begin + j));
      for (std::int64_t n = 0; n < mixing_numbers(); ++n) key[n * tile_stride + j] = from[n];
    }
  }

  PairMixing<Sum> mixing(Composing which, const ComposedTile& tile, std::int64_t i,
                         const Sum* key) const {
    const auto c = static_cast<std::int64_t>(which);
    return {.heads = shape_.heads(),
            .rank = rank_,
            .query = mixing_at(query_mixing_, which, tile.sequence, tile.row_of(i)),
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
  const ComposedTiles tiles_;
};

}  // namespace lookback::kernels
