// What the attention kernels share: operands split into heads, tiles of scores, and this thread's
// scratch. Queries go in blocks of 64 rows, keys in chunks of 256: sizes that do not depend on the
// number of threads, and a tile of scores stays in the second-level cache.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "kernels/attention_shape.h"
#include "kernels/causal_mask.h"
#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/gemm.h"

namespace lookback::kernels {

inline constexpr std::int64_t query_rows = 64;
inline constexpr std::int64_t key_columns = 256;
// Rows of a tile of scores lie this far apart: not a power of two, so that they spread over the
// cache.
inline constexpr std::int64_t tile_stride = key_columns + 16;

constexpr std::int64_t blocks_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

// The operands of a list, absent ones as no data: q and their gradients, k and theirs.
template <class T, class List>
std::vector<HeadRows<T>> rows_of_each_head(const List& list, std::int64_t group) {
  std::vector<HeadRows<T>> pieces;
  for (const auto& x : list) pieces.push_back(rows_of_heads<T>(x, group));
  return pieces;
}
template <class T, class List>
std::vector<HeadRows<T>> rows_of_each_key_head(const List& list) {
  std::vector<HeadRows<T>> pieces;
  for (const auto& x : list) pieces.push_back(rows_of_key_heads<T>(x));
  return pieces;
}

// Rows of numbers in the accumulator's dtype.
template <class T>
struct RowSpan {
  const T* data = nullptr;
  std::int64_t stride = 0;
  const T* row(std::int64_t i) const { return data + i * stride; }
  RowSpan from(std::int64_t i) const { return {row(i), stride}; }
};

// Numbers that belong to the task running on this thread, taken from one block that is kept.
template <class Sum>
class Scratch {
 public:
  explicit Scratch(std::int64_t numbers) {
    if (static_cast<std::int64_t>(block().size()) < numbers) {
      block().resize(static_cast<std::size_t>(numbers));
    }
  }
  Sum* take(std::int64_t numbers) {
    Sum* begin = block().data() + used_;
    used_ += numbers;
    return begin;
  }

 private:
  static std::vector<Sum>& block() {
    thread_local std::vector<Sum> kept;
    return kept;
  }
  std::int64_t used_ = 0;
};

// `rows` x `columns` elements where they lie, or, where they are not of the accumulator's dtype,
// converted into scratch.
template <class T>
RowSpan<Accumulator<T>> read_rows(const T* from, std::int64_t stride, std::int64_t rows,
                                  std::int64_t columns, Scratch<Accumulator<T>>& scratch) {
  if constexpr (std::is_same_v<T, Accumulator<T>>) {
    return {from, stride};
  } else {
    auto* to = scratch.take(rows * columns);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        to[i * columns + j] = static_cast<Accumulator<T>>(from[i * stride + j]);
      }
    }
    return {to, columns};
  }
}
// The scratch that takes.
template <class T>
constexpr std::int64_t read_scratch(std::int64_t rows, std::int64_t columns) {
  return std::is_same_v<T, Accumulator<T>> ? 0 : rows * columns;
}

// The keys that a block of rows sees: of each row, and from the first to the last of any.
struct BlockMask {
  std::array<KeyRange, query_rows> rows;
  KeyRange any;

  // `step` 0: all rows are the same query position (of several heads).
  BlockMask(const CausalMaskView& mask, std::int64_t sequence, std::int64_t row, std::int64_t step,
            std::int64_t count, std::int64_t keys) {
    const auto rule = mask.rule();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto range = rule.keys_of(sequence, row + i * step, keys);
      rows[static_cast<std::size_t>(i)] = range;
      if (range.empty()) continue;
      if (any.empty()) any = range;
      any = {std::min(any.first, range.first), std::max(any.last, range.last)};
    }
  }
  // What the rows see of keys [first, first + columns), counted from `first`.
  void relative(std::int64_t first, std::int64_t columns, std::int64_t count,
                KeyRange* visible) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& range = rows[static_cast<std::size_t>(i)];
      visible[i] = {std::clamp<std::int64_t>(range.first - first, 0, columns),
                    std::clamp<std::int64_t>(range.last - first, 0, columns)};
    }
  }
};

// tile = sum_p scales[p] q[p] k[p]^T.
template <class Sum>
void score_tile(const std::vector<RowSpan<Sum>>& q, const std::vector<RowSpan<Sum>>& k,
                const std::vector<std::int64_t>& widths, const Sum* scales,
                const ScoreTile<Sum>& tile) {
  for (std::size_t p = 0; p < q.size(); ++p) {
    tile_product(Gemm<Sum>{.m = tile.rows,
                           .n = tile.columns,
                           .k = widths[p],
                           .a = q[p].data,
                           .a_stride = q[p].stride,
                           .b = k[p].data,
                           .b_stride = k[p].stride,
                           .b_layout = Layout::transposed,
                           .c = tile.data,
                           .c_stride = tile.stride,
                           .into = p == 0 ? Into::overwrite : Into::sum,
                           .alpha = static_cast<double>(scales[p])});
  }
}

// y += weights v. A hidden value is excluded even where it is infinite or NaN, which 0 * v is not:
// then each row gets a product of its own, of the same size (so the same bits), whose hidden values
// are 0.
template <class Sum>
void weigh_values(const ScoreTile<Sum>& weights, const RowSpan<Sum>& v, std::int64_t width, Sum* y,
                  std::int64_t y_stride) {
  Gemm<Sum> product{.m = weights.rows,
                    .n = width,
                    .k = weights.columns,
                    .a = weights.data,
                    .a_stride = weights.stride,
                    .b = v.data,
                    .b_stride = v.stride,
                    .c = y,
                    .c_stride = y_stride,
                    .into = Into::sum};
  // The values that some row does not see lie before the last first and behind the first last.
  std::int64_t hidden_before = 0;
  std::int64_t hidden_from = weights.columns;
  for (std::int64_t i = 0; i < weights.rows; ++i) {
    hidden_before = std::max(hidden_before, weights.visible[i].first);
    hidden_from = std::min(hidden_from, weights.visible[i].last);
  }
  hidden_from = std::max(hidden_from, hidden_before);
  if (weights.shown != nullptr) hidden_from = hidden_before = weights.columns;
  const bool harmless =
      all_finite(v.data, v.stride, hidden_before, width) &&
      all_finite(v.row(hidden_from), v.stride, weights.columns - hidden_from, width);
  if (harmless) return tile_product(product);

  std::vector<Sum> values(static_cast<std::size_t>(weights.columns * width));
  std::vector<Sum> before(static_cast<std::size_t>(weights.rows * width));
  for (std::int64_t i = 0; i < weights.rows; ++i) {
    std::copy_n(y + i * y_stride, width, before.data() + i * width);
  }
  std::vector<Sum> results(before.size());
  product.b = values.data();
  product.b_stride = width;
  product.c = results.data();
  product.c_stride = width;
  for (std::int64_t i = 0; i < weights.rows; ++i) {
    std::fill(values.begin(), values.end(), Sum{0});
    for (auto s = weights.visible[i].first; s < weights.visible[i].last; ++s) {
      if (weights.shows(i, s)) std::copy_n(v.row(s), width, values.data() + s * width);
    }
    results = before;
    tile_product(product);
    std::copy_n(results.data() + i * width, width, y + i * y_stride);
  }
}

// Where a tile's columns take from its rows: `width` numbers of each of `columns` columns.
template <class Sum>
struct ColumnSums {
  Sum* data;
  std::int64_t stride;
  Into into = Into::sum;
  double factor = 1;
};

// sums (+)= factor weights^T x, x a row for each row of the tile. A row that does not see a column
// leaves nothing there, even where it is infinite or NaN: then each column gets a product of its
// own, of the same size, in which the rows that do not see it are 0.
template <class Sum>
void weigh_rows(const ScoreTile<Sum>& weights, const RowSpan<Sum>& x, std::int64_t width,
                const ColumnSums<Sum>& sums) {
  Gemm<Sum> product{.m = weights.columns,
                    .n = width,
                    .k = weights.rows,
                    .a = weights.data,
                    .a_stride = weights.stride,
                    .a_layout = Layout::transposed,
                    .b = x.data,
                    .b_stride = x.stride,
                    .c = sums.data,
                    .c_stride = sums.stride,
                    .into = sums.into,
                    .alpha = sums.factor};
  if (all_finite(x.data, x.stride, weights.rows, width)) return tile_product(product);

  std::vector<Sum> rows(static_cast<std::size_t>(weights.rows * width));
  std::vector<Sum> before(static_cast<std::size_t>(weights.columns * width));
  for (std::int64_t s = 0; sums.into == Into::sum && s < weights.columns; ++s) {
    std::copy_n(sums.data + s * sums.stride, width, before.data() + s * width);
  }
  std::vector<Sum> results(before.size());
  product.b = rows.data();
  product.b_stride = width;
  product.c = results.data();
  product.c_stride = width;
  for (std::int64_t s = 0; s < weights.columns; ++s) {
    std::fill(rows.begin(), rows.end(), Sum{0});
    for (std::int64_t i = 0; i < weights.rows; ++i) {
      if (weights.shows(i, s)) std::copy_n(x.row(i), width, rows.data() + i * width);
    }
    results = before;
    tile_product(product);
    std::copy_n(results.data() + s * width, width, sums.data + s * sums.stride);
  }
}

}  // namespace lookback::kernels
