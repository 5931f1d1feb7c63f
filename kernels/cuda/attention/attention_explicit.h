// Attention on a GPU, row by row: for every head size, dtype and stride. One warp makes one row of
// a result, or 128 columns of it; what a pair of a query and a key contributes is computed by one
// lane for each of 32 pairs, then all lanes add their columns of the 32 rows. Scores are computed
// as often as they are wanted and never kept. No sum depends on anything but shapes and the mask.
#pragma once

#include <limits>

#include "kernels/cuda/attention/attention_pairs.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// Where a row of sums goes: written, or, times a scale, added.
template <class T>
struct RowTarget {
  using Sum = Accumulator<T>;
  HeadRows<T> y = {};               // absent: nowhere
  const Sum* scale = nullptr;       // absent: y = sums; else y += scale sums
  HeadRows<const T> dot_with = {};  // where `parts` are wanted
  Sum* parts = nullptr;             // [items]: sums . dot_with, for the columns of each item
};

inline constexpr int columns_of_lane = 4;
inline constexpr int columns_of_item = columns_of_lane * device::warp_threads;

template <class T>
struct RowOfSums {
  using Sum = Accumulator<T>;
  std::int64_t first, width;  // columns of this lane: first, first + 32, ..
  Sum sum[columns_of_lane] = {};

  LOOKBACK_DEVICE void add(Sum factor, const T* x) {
    for (int i = 0; i < columns_of_lane; ++i) {
      const auto column = first + i * device::warp_threads;
      if (column < width) sum[i] = device::fma(factor, static_cast<Sum>(x[column]), sum[i]);
    }
  }
  LOOKBACK_DEVICE void finish(const RowTarget<T>& target, const Pair& at, std::int64_t row,
                              std::int64_t item) const {
    if (target.y.data != nullptr) {
      T* y = target.y.at(at.sequence, row, at.key_head, at.head_in_group);
      for (int i = 0; i < columns_of_lane; ++i) {
        const auto column = first + i * device::warp_threads;
        if (column >= width) continue;
        y[column] =
            static_cast<T>(target.scale == nullptr
                               ? sum[i]
                               : device::fma(*target.scale, sum[i], static_cast<Sum>(y[column])));
      }
    }
    if (target.parts == nullptr) return;
    const T* other = target.dot_with.at(at.sequence, row, at.key_head, at.head_in_group);
    Sum dot = 0;
    for (int i = 0; i < columns_of_lane; ++i) {
      const auto column = first + i * device::warp_threads;
      if (column < width) dot = device::fma(sum[i], static_cast<Sum>(other[column]), dot);
    }
    dot = device::reduce_warp(dot, device::Plus{});
    if (device::thread_index() % device::warp_threads == 0) target.parts[item] = dot;
  }
};

constexpr std::int64_t items_of_row(std::int64_t width) {
  return device::blocks_for(width, columns_of_item);
}

// y[b, t, h, :] = sum over the keys s that t sees of source(pair) x[b, s, g, :]
template <class T, class Source>
struct SumOverKeys {
  static constexpr int threads = 128;
  static constexpr int resident_blocks = 4;
  using Sum = Accumulator<T>;
  AttentionShape shape;
  Source source;
  HeadRows<const T> x;
  RowTarget<T> target;

  LOOKBACK_DEVICE void operator()() const {
    constexpr int warps = threads / device::warp_threads;
    const int lane = device::thread_index() % device::warp_threads;
    const auto item = device::block_index() * warps + device::thread_index() / device::warp_threads;
    const auto items = items_of_row(x.width);
    const auto number = item / items;
    const auto heads = shape.key_heads * shape.group;
    if (number >= shape.sequences * heads * shape.rows) return;
    const auto head = number / shape.rows % heads;
    Pair at{.sequence = number / shape.rows / heads,
            .key_head = head / shape.group,
            .head_in_group = head % shape.group,
            .row = number % shape.rows,
            .key = 0};
    const auto seen = shape.keys_of(at.sequence, at.row);
    RowOfSums<T> sums{.first = item % items * columns_of_item + lane, .width = x.width};
    for (auto first = seen.first; first < seen.last; first += device::warp_threads) {
      at.key = first + lane;
      const bool shown = at.key < seen.last && is_shown(shape, seen, at);
      const Sum own = shown ? source(shape, at) : Sum{0};
      const auto left = seen.last - first;
      const int count = left < device::warp_threads ? static_cast<int>(left) : device::warp_threads;
      for (int i = 0; i < count; ++i) {
        const Sum factor = device::shuffle(own, i);
        if (!shape.visible.plain() && device::shuffle(shown ? 1 : 0, i) == 0) continue;
        sums.add(factor, x.at(at.sequence, first + i, at.key_head, 0));
      }
    }
    sums.finish(target, at, at.row, item);
  }
};

// y[b, s, g, :] = sum of source(pair) x[b, t, h, :] over the heads h of the group and the rows t
// that see s.
template <class T, class Source>
struct SumOverQueries {
  static constexpr int threads = 128;
  static constexpr int resident_blocks = 4;
  using Sum = Accumulator<T>;
  AttentionShape shape;
  Source source;
  HeadRows<const T> x;
  RowTarget<T> target;

  LOOKBACK_DEVICE void operator()() const {
    constexpr int warps = threads / device::warp_threads;
    const int lane = device::thread_index() % device::warp_threads;
    const auto item = device::block_index() * warps + device::thread_index() / device::warp_threads;
    const auto items = items_of_row(x.width);
    const auto number = item / items;
    if (number >= shape.sequences * shape.key_heads * shape.keys) return;
    Pair at{.sequence = number / shape.keys / shape.key_heads,
            .key_head = number / shape.keys % shape.key_heads,
            .head_in_group = 0,
            .row = 0,
            .key = number % shape.keys};
    RowOfSums<T> sums{.first = item % items * columns_of_item + lane, .width = x.width};
    // Of the rows that see the key.
    const auto earliest = shape.visible.position_of_key(at.key) - shape.visible.offset;
    for (; at.head_in_group < shape.group; ++at.head_in_group) {
      for (auto first = earliest > 0 ? earliest : 0; first < shape.rows;
           first += device::warp_threads) {
        at.row = first + lane;
        const bool shown =
            at.row < shape.rows && is_shown(shape, shape.keys_of(at.sequence, at.row), at);
        const Sum own = shown ? source(shape, at) : Sum{0};
        for (int i = 0; i < device::warp_threads; ++i) {
          const Sum factor = device::shuffle(own, i);
          if (device::shuffle(shown ? 1 : 0, i) == 0) continue;
          sums.add(factor, x.at(at.sequence, first + i, at.key_head, at.head_in_group));
        }
      }
    }
    at.head_in_group = 0;
    sums.finish(target, at, at.key, item);
  }
};

template <class T, class Source>
void sum_over_keys(const AttentionShape& shape, const Source& source, const HeadRows<const T>& x,
                   const RowTarget<T>& target) {
  using Kernel = SumOverKeys<T, Source>;
  const auto items = shape.all_rows() * items_of_row(x.width);
  device::launch({.blocks = device::blocks_for(items, Kernel::threads / device::warp_threads)},
                 Kernel{shape, source, x, target});
}
template <class T, class Source>
void sum_over_queries(const AttentionShape& shape, const Source& source, const HeadRows<const T>& x,
                      const RowTarget<T>& target) {
  using Kernel = SumOverQueries<T, Source>;
  const auto items = shape.all_keys() * items_of_row(x.width);
  device::launch({.blocks = device::blocks_for(items, Kernel::threads / device::warp_threads)},
                 Kernel{shape, source, x, target});
}

// y[b, h, t] = a . b of each row: all its columns, or those of the keys it sees.
enum class DotColumns { all, seen };
template <class T, DotColumns columns>
struct RowDots {
  static constexpr int threads = 128;
  using Sum = Accumulator<T>;
  AttentionShape shape;
  HeadRows<const T> a, b;
  Sum* y;

  LOOKBACK_DEVICE void operator()() const {
    const int lane = device::thread_index() % device::warp_threads;
    const auto number =
        (device::block_index() * threads + device::thread_index()) / device::warp_threads;
    const auto heads = shape.key_heads * shape.group;
    if (number >= shape.sequences * heads * shape.rows) return;
    const auto row = number % shape.rows, head = number / shape.rows % heads;
    const auto sequence = number / shape.rows / heads;
    KeyRange range{.first = 0, .last = a.width};
    if (columns == DotColumns::seen) range = shape.keys_of(sequence, row);
    const T* from_a = a.at(sequence, row, head / shape.group, head % shape.group);
    const T* from_b = b.at(sequence, row, head / shape.group, head % shape.group);
    Sum sum = 0;
    const bool all = columns == DotColumns::all || shape.visible.plain();
    for (auto d = range.first + lane; d < range.last; d += device::warp_threads) {
      if (!all && !shape.sees(sequence, head, row, d)) continue;
      sum = device::fma(static_cast<Sum>(from_a[d]), static_cast<Sum>(from_b[d]), sum);
    }
    sum = device::reduce_warp(sum, device::Plus{});
    if (lane == 0) y[number] = sum;
  }
};

template <DotColumns columns, class T>
void row_dots(const AttentionShape& shape, const HeadRows<const T>& a, const HeadRows<const T>& b,
              Accumulator<T>* y) {
  using Kernel = RowDots<T, columns>;
  device::launch(
      {.blocks = device::blocks_for(shape.all_rows(), Kernel::threads / device::warp_threads)},
      Kernel{shape, a, b, y});
}

// The log-sum-exp of every row's scores, and, where asked for, its weights.
template <class T>
struct SoftmaxOfScores {
  static constexpr int threads = 128;
  using Sum = Accumulator<T>;
  AttentionShape shape;
  PairScore<T> score;
  Sum* log_sum_exp;     // [B, H, T], or absent
  HeadRows<T> weights;  // rows of S, or absent

  LOOKBACK_DEVICE void operator()() const {
    const auto number =
        (device::block_index() * threads + device::thread_index()) / device::warp_threads;
    const int lane = device::thread_index() % device::warp_threads;
    const auto heads = shape.key_heads * shape.group;
    if (number >= shape.sequences * heads * shape.rows) return;
    const auto head = number / shape.rows % heads;
    Pair at{.sequence = number / shape.rows / heads,
            .key_head = head / shape.group,
            .head_in_group = head % shape.group,
            .row = number % shape.rows,
            .key = 0};
    const auto seen = shape.keys_of(at.sequence, at.row);
    constexpr Sum nothing = -std::numeric_limits<Sum>::infinity();
    Sum maximum = nothing, sum = 0;
    for (at.key = seen.first + lane; at.key < seen.last; at.key += device::warp_threads) {
      if (!is_shown(shape, seen, at)) continue;
      const Sum own = score(shape, at);
      const Sum higher = own > maximum ? own : maximum;
      sum = sum * scaled(maximum, higher) + scaled(own, higher);
      maximum = higher;
    }
    Sum highest = maximum;
    for (int lanes = 16; lanes > 0; lanes /= 2) {
      const Sum other = device::shuffle_xor(highest, lanes);
      if (other > highest) highest = other;
    }
    sum = device::reduce_warp(sum * scaled(maximum, highest), device::Plus{});
    if (log_sum_exp != nullptr && lane == 0) {
      log_sum_exp[number] = sum != Sum{0} ? highest + device::log(sum) : nothing;
    }
    if (weights.data == nullptr) return;
    T* to = weights.at(at.sequence, at.row, at.key_head, at.head_in_group);
    for (at.key = lane; at.key < shape.keys; at.key += device::warp_threads) {
      to[at.key] = static_cast<T>(
          is_shown(shape, seen, at) ? scaled(score(shape, at), highest) / sum : Sum{0});
    }
  }

 private:
  // e^(x - maximum); nothing seen yet counts for nothing.
  static LOOKBACK_DEVICE Sum scaled(Sum x, Sum maximum) {
    if (x == nothing_seen()) return Sum{0};
    return device::exp(x - maximum);
  }
  static LOOKBACK_DEVICE Sum nothing_seen() { return -std::numeric_limits<Sum>::infinity(); }
};

template <class T>
void softmax_of_scores(const AttentionShape& shape, const PairScore<T>& score,
                       Accumulator<T>* log_sum_exp, const HeadRows<T>& weights) {
  using Kernel = SoftmaxOfScores<T>;
  device::launch(
      {.blocks = device::blocks_for(shape.all_rows(), Kernel::threads / device::warp_threads)},
      Kernel{shape, score, log_sum_exp, weights});
}

// *y = the sum of `count` parts, always in the same order.
template <class Sum>
struct SumOfParts {
  static constexpr int threads = 256;
  const Sum* parts;
  std::int64_t count;
  Sum* y;
  LOOKBACK_DEVICE void operator()() const {
    auto* shared = reinterpret_cast<Sum*>(device::shared_memory());
    const int thread = device::thread_index();
    Sum sum = 0;
    for (std::int64_t i = thread; i < count; i += threads) sum += parts[i];
    shared[thread] = sum;
    for (int half = threads / 2; half > 0; half /= 2) {
      device::sync_block();
      if (thread < half) shared[thread] += shared[thread + half];
    }
    if (thread == 0) *y = shared[0];
  }
};
template <class Sum>
void sum_of_parts(const Sum* parts, std::int64_t count, Sum* y) {
  using Kernel = SumOfParts<Sum>;
  device::launch({.blocks = 1, .shared_bytes = Kernel::threads * sizeof(Sum)},
                 Kernel{parts, count, y});
}

// Gradients of the pieces, whatever the source of the scores' gradient. `parts`: one number for
// each row, head and item of the widest piece.
template <class T, class Arguments, class Source>
void explicit_piece_gradients(const Arguments& a, const AttentionShape& shape,
                              const PieceTable<T, explicit_pieces>& pieces, const Source& source,
                              Accumulator<T>* parts) {
  using Sum = Accumulator<T>;
  for (int p = 0; p < pieces.count; ++p) {
    const auto at = static_cast<std::size_t>(p);
    const Sum* scale = a.scales.template as<Sum>() + p;
    RowTarget<T> dq{.scale = scale};
    if (!a.dq.empty()) dq.y = rows_of_heads<T>(a.dq[at], shape.group);
    if (a.dscales.present()) {
      dq.dot_with = pieces.piece[p].q;
      dq.parts = parts;
    }
    if (dq.y.present() || a.dscales.present()) {
      sum_over_keys(shape, source, pieces.piece[p].k, dq);
    }
    if (a.dscales.present()) {
      sum_of_parts(parts, shape.all_rows() * items_of_row(pieces.piece[p].q.width),
                   a.dscales.template as<Sum>() + p);
    }
    if (a.dk.empty() || !a.dk[at].present()) continue;
    sum_over_queries(shape, source, pieces.piece[p].q,
                     {.y = rows_of_key_heads<T>(a.dk[at]), .scale = scale});
  }
}

// Numbers of the accumulator's dtype in its workspace: row dots, then the parts.
inline std::int64_t explicit_workspace(const InList& q) {
  const auto rows = q[0].size(0) * q[0].size(1) * q[0].size(2);
  std::int64_t items = 0;
  for (const auto& piece : q) items = std::max(items, items_of_row(piece.size(3)));
  return rows * (1 + items);
}

}  // namespace lookback::kernels
