// The tiles that blocks of the streaming kernels walk over: those of keys, where queries are rows
// (KeyWalk), and those of queries, where keys are (QueryWalk).
//
// A KeyWalk:
//   walk.goes_on(), first(), advance()   the tile at hand, from key first() on, and to the next one
//   walk.look()       finds what the rows see of it, and which tile is next: a barrier lies between
//                     the last read of that and this, and another before the next read
//   walk.read()       after that: whole(), whether every row sees all of it; has_next(), next()
//
// Under Rules::any, too, tiles begin at multiples of their size, whatever the rows of a block see:
// no row's sums depend on the others'.
#pragma once

#include "kernels/cuda/attention/attention_operands.h"
#include "kernels/cuda/attention/attention_tiles.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

template <Rules rules, int rows, int keys>
class KeyWalk;

// From the first to the last tile that a row sees.
template <int rows, int keys>
class KeyWalk<Rules::plain, rows, keys> {
 public:
  LOOKBACK_DEVICE explicit KeyWalk(const SeenByBlock& seen)
      : seen_(seen), first_(seen.begin(keys)) {}
  LOOKBACK_DEVICE bool goes_on() const { return first_ < seen_.last; }
  LOOKBACK_DEVICE int first() const { return first_; }
  LOOKBACK_DEVICE void look() const {}
  LOOKBACK_DEVICE void read() const {}
  LOOKBACK_DEVICE bool whole() const { return seen_.whole(first_, keys); }
  LOOKBACK_DEVICE bool has_next() const { return next() < seen_.last; }
  LOOKBACK_DEVICE int next() const { return first_ + keys; }
  LOOKBACK_DEVICE void advance() { first_ = next(); }

 private:
  SeenByBlock seen_;
  int first_;
};

// From one tile that holds a key that some row sees to the next.
template <int rows, int keys>
class KeyWalk<Rules::any, rows, keys> {
 public:
  // What the rows of a warp have found.
  struct Found {
    int next_key, whole;
  };
  static constexpr int row_warps = rows / device::warp_threads;
  static_assert(rows % device::warp_threads == 0 && keys <= seen_bits);
  static_assert(row_warps * sizeof(Found) <= key_walk_bytes<Rules::any>);

  // Row i's bits go to bits[i * bits_step]; `found` has room for row_warps of them. Rows beyond the
  // last are as the last one. Barriers are passed.
  LOOKBACK_DEVICE KeyWalk(const AttentionShape& shape, const BlockPlace& at, SeenBits* bits,
                          int bits_step, Found* found)
      : shape_(shape),
        row_{.sequence = at.sequence,
             .head = at.key_head * shape.group + at.head_in_group,
             .row = at.first + device::thread_index()},
        bits_(bits + static_cast<std::ptrdiff_t>(device::thread_index()) * bits_step),
        found_(found) {
    if (row_.row >= shape.rows) row_.row = shape.rows - 1;
    if (finds()) leave(0, 0);
    device::sync_block();
    read();
    device::sync_block();
    advance();
  }
  LOOKBACK_DEVICE bool goes_on() const { return first_ < all_keys(); }
  LOOKBACK_DEVICE int first() const { return first_; }
  LOOKBACK_DEVICE void look() const {
    if (!finds()) return;
    const auto seen = seen_keys(shape_.visible, row_, first_, shape_.keys);
    *bits_ = seen;
    leave(first_ + keys, (~seen & bits_between(0, keys)) == 0 ? 1 : 0);
  }
  LOOKBACK_DEVICE void read() {
    next_ = all_keys();
    whole_ = true;
    LOOKBACK_UNROLL
    for (int warp = 0; warp < row_warps; ++warp) {
      const auto found = found_[warp];
      if (found.next_key < next_) next_ = found.next_key;
      whole_ = whole_ && found.whole != 0;
    }
    if (next_ < all_keys()) next_ = next_ / keys * keys;
  }
  LOOKBACK_DEVICE bool whole() const { return whole_; }
  LOOKBACK_DEVICE bool has_next() const { return next_ < all_keys(); }
  LOOKBACK_DEVICE int next() const { return next_; }
  LOOKBACK_DEVICE void advance() { first_ = next_; }

 private:
  LOOKBACK_DEVICE int all_keys() const { return static_cast<int>(shape_.keys); }
  // Whether the thread's warp looks at rows.
  LOOKBACK_DEVICE bool finds() const { return device::thread_index() < rows; }
  // What the warp has found from `first` on.
  LOOKBACK_DEVICE void leave(int first, int whole) const {
    const auto next = static_cast<int>(next_seen_key(shape_.visible, row_, first, shape_.keys));
    const int nearest = device::reduce_warp(next, device::Smaller{});
    const int all_whole = device::reduce_warp(whole, device::Smaller{});
    if (device::thread_index() % device::warp_threads == 0) {
      found_[device::thread_index() / device::warp_threads] = {nearest, all_whole};
    }
  }

  const AttentionShape& shape_;
  SeeingRow row_;
  SeenBits* bits_;
  Found* found_;
  int first_ = 0, next_ = 0;
  bool whole_ = false;
};

// Query rows of one head of the group.
struct QueryTile {
  std::int64_t head_in_group, first;
};

// From one tile of queries that sees a key of a block to the next, head after head of the group;
// of no head in it where there is none.
template <Rules rules, int rows, int queries>
class QueryWalk {
 public:
  LOOKBACK_DEVICE QueryWalk(const AttentionShape& shape, const BlockPlace& at)
      : shape_(shape), at_(at), range_{0, shape.rows} {
    if constexpr (rules == Rules::plain) {
      range_ = queries_that_may_see(shape.visible, at.first, rows, shape.rows);
    }
  }
  LOOKBACK_DEVICE QueryTile begin() const {
    return from({range_.first < range_.last ? 0 : shape_.group, range_.first});
  }
  LOOKBACK_DEVICE QueryTile after(QueryTile tile) const {
    tile.first += queries;
    return from(tile);
  }

 private:
  // The tile, or the next one, that sees the block.
  LOOKBACK_DEVICE QueryTile from(QueryTile tile) const {
    while (tile.head_in_group < shape_.group) {
      if constexpr (rules == Rules::any) {
        const auto row = next_row_that_may_see(shape_.visible, head_of(tile), at_.first, rows,
                                               tile.first, shape_.rows);
        tile.first = row < shape_.rows ? row / queries * queries : row;
      }
      if (tile.first >= range_.last) {
        tile = {tile.head_in_group + 1, range_.first};
      } else if (sees_block(tile)) {
        break;
      } else {
        tile.first += queries;
      }
    }
    return tile;
  }
  // Documents may lie between. All warps look at the same rows.
  LOOKBACK_DEVICE bool sees_block(const QueryTile& tile) const {
    if (rules == Rules::plain && shape_.visible.document_start == nullptr) return true;
    int sees = 0;
    for (int i = device::thread_index() % device::warp_threads; i < queries;
         i += device::warp_threads) {
      const auto row = tile.first + i;
      if (row >= shape_.rows) break;
      if constexpr (rules == Rules::plain) {
        const auto seen = rows_of_block(shape_.keys_of(at_.sequence, row), at_.first, rows);
        if (seen.first < seen.last) sees = 1;
      } else {
        const SeeingRow seeing{at_.sequence, head_of(tile), row};
        const auto key = next_seen_key(shape_.visible, seeing, at_.first, shape_.keys);
        if (key < shape_.keys && key < at_.first + rows) sees = 1;
      }
    }
    for (int lanes = 16; lanes > 0; lanes /= 2) sees |= device::shuffle_xor(sees, lanes);
    return sees != 0;
  }
  LOOKBACK_DEVICE std::int64_t head_of(const QueryTile& tile) const {
    return at_.key_head * shape_.group + tile.head_in_group;
  }

  const AttentionShape& shape_;
  BlockPlace at_;
  QueryRange range_;
};

}  // namespace lookback::kernels
