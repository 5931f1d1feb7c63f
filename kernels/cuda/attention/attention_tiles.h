// Tiles of attention on a GPU: which sizes there are, where tiles lie in shared memory, which keys
// and queries meet. Plain arithmetic, tested on the host (tests/kernels/attention_tiles_test.cpp).
//
// A block of 16 rows per warp (queries, or keys) walks over tiles of columns (keys, or queries).
// Rows and columns beyond the tensor's are zeros in shared memory, and masked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cuda/attention/attention_pattern.h"
#include "kernels/cuda/device/swizzled_tile.h"
#include "runtime/dtype.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

// What a kernel knows of scores and masks. The plain ones are compiled apart, so that they pay
// nothing for the others.
enum class Rules {
  plain,  // scores as they are, and the keys that VisibleKeys::keys_of() says
  any,    // every form of scores (kernels/score_form.h) and every mask
};

// Elements in 16 bytes, which is what one copy takes.
template <class T>
inline constexpr int chunk_elements = static_cast<int>(16 / sizeof(T));

// Head sizes that only the scores' sums run over are padded to this.
template <class Tiles>
LOOKBACK_HOST_DEVICE constexpr int contracted_columns(std::int64_t width) {
  return static_cast<int>((width + Tiles::summed - 1) / Tiles::summed * Tiles::summed);
}

// Head sizes whose sums stay in registers are padded to one of these; 0: too wide. Each size is a
// kernel more: f32, and rules that are seldom needed, have fewer of them.
inline constexpr int widest_tile = 256;
template <class T, Rules rules = Rules::plain>
constexpr bool has_columns(int columns) {
  if (rules == Rules::any && sizeof(T) == 4) return columns == 128;
  if (rules == Rules::any || sizeof(T) == 4) return columns % 64 == 0 && columns != 192;
  return true;
}
template <class T, Rules rules = Rules::plain>
constexpr int accumulated_columns(std::int64_t width) {
  for (const int columns : {32, 64, 96, 128, 192, 256}) {
    if (has_columns<T, rules>(columns) && width <= columns) return columns;
  }
  return 0;
}

// visit.template operator()<columns>() for the padded size of this head size.
template <class T, Rules rules = Rules::plain, class Visitor>
void visit_accumulated_columns(std::int64_t width, const Visitor& visit) {
  const int wanted = accumulated_columns<T, rules>(width);
  const auto visit_one_of = [&]<int... columns>(std::integer_sequence<int, columns...>) {
    const auto visit_if_wanted = [&]<int one>() {
      if constexpr (has_columns<T, rules>(one)) {
        if (one == wanted) visit.template operator()<one>();
      }
    };
    (visit_if_wanted.template operator()<columns>(), ...);
  };
  visit_one_of(std::integer_sequence<int, 32, 64, 96, 128, 192, 256>{});
}

// Neighboring pieces whose gradients one kernel makes.
struct PieceSpan {
  int first, count;
};
// How many, for this widest head size among them: so that registers hold their sums.
inline constexpr int max_targets_of_any = 4;
template <class T, Rules rules = Rules::plain>
constexpr int max_targets(std::int64_t width) {
  if constexpr (rules == Rules::any) return 1;
  const int columns = accumulated_columns<T>(width);
  if constexpr (sizeof(T) == 2) return columns > 128 ? 1 : columns > 64 ? 2 : 4;
  return columns > 64 ? 1 : 2;
}
// visit.template operator()<columns, targets>().
template <class T, Rules rules = Rules::plain, class Visitor>
void visit_targets(std::int64_t width, int count, const Visitor& visit) {
  visit_accumulated_columns<T, rules>(width, [&]<int columns>() {
    if constexpr (max_targets<T, rules>(columns) > 1) {
      if (count > 1) return visit.template operator()<columns, max_targets<T>(columns)>();
    }
    visit.template operator()<columns, 1>();
  });
}

// A tile in shared memory whose rows lie one behind the other, each one chunk longer than its
// columns (a multiple of 16), so that neighboring rows begin in different banks.
template <class T>
struct PaddedTile {
  using Element = T;
  T* data;
  int rows, columns;

  LOOKBACK_HOST_DEVICE static constexpr int stride_of(int columns) {
    return columns + chunk_elements<T>;
  }
  LOOKBACK_HOST_DEVICE static constexpr int size(int rows, int columns) {
    return rows * stride_of(columns);
  }
  LOOKBACK_HOST_DEVICE int stride() const { return stride_of(columns); }
  LOOKBACK_HOST_DEVICE T* at(int row, int column) const { return data + row * stride() + column; }
};

// The three ways of the streaming kernels: by warps, f32 through fused multiply-adds and bf16
// through tensor cores (mma), or, where the GPU has them, bf16 by warpgroups (wgmma). A way says
// how large tiles are and how they lie; attention_products.h has its products.
template <class T>
struct WarpTiles {
  using Element = T;
  static constexpr int warps = sizeof(T) == 2 ? 4 : 2;
  static constexpr int query_warps = warps;  // of the forward kernel
  // Left to itself the compiler would spill registers of f32 kernels to make room for more blocks.
  static constexpr int resident_blocks = sizeof(T) == 2 ? 0 : 4;
  static constexpr int alignment = 16;  // of tiles, in bytes
  // Tiles are made of blocks of so many columns; the largest where only scores are made of them.
  static constexpr int widest_block = 16;
  static constexpr int block_of(int) { return widest_block; }
  template <int block>
  using Tile = PaddedTile<T>;
  static constexpr int size(int rows, int columns, int) {
    return PaddedTile<T>::size(rows, columns);
  }
  static constexpr int summed = 16;               // columns that one step of a product sums over
  static constexpr bool products_run_on = false;  // while the threads do something else
  // Keys in a tile where queries are rows, so that the sums of a row of `columns` fit into
  // registers.
  static constexpr int keys_of_tile(int columns) {
    return sizeof(T) == 2 && columns <= 128 ? 64 : 32;
  }
  // Queries in a tile where keys are rows, the same way.
  static constexpr int queries_of_tile(int columns) {
    return sizeof(T) == 4 && columns >= 256 ? 16 : 32;
  }
};
struct WarpgroupTiles {
  using Element = BFloat16;
  static constexpr int warps = 4;
  // Two warpgroups share the tiles of keys and values: half the reads from memory, and one computes
  // weights while the other's products are made.
  static constexpr int query_warps = 8;
  static constexpr int resident_blocks = 0;
  static constexpr int alignment = swizzled_tile_alignment;
  static constexpr int widest_block = 64;
  static constexpr int block_of(int columns) { return columns % 64 == 0 ? 64 : 32; }
  template <int block>
  using Tile = SwizzledTile<block>;
  static constexpr int size(int rows, int columns, int block) {
    return rows * ((columns + block - 1) / block * block);
  }
  static constexpr int summed = 32;
  static constexpr bool products_run_on = true;
  static constexpr int keys_of_tile(int columns) { return columns <= 128 ? 64 : 32; }
  static constexpr int queries_of_tile(int columns) { return columns <= 128 ? 64 : 32; }
};

inline constexpr int rows_of_warp = 16;
template <class Tiles>
inline constexpr int tile_rows = rows_of_warp* Tiles::warps;
template <class Tiles>
inline constexpr int query_rows = rows_of_warp* Tiles::query_warps;  // of the forward kernel
inline constexpr int queries_of_tile = 32;                           // where keys are rows

// Of a query: the keys that it sees (of a tile as bits, or, under the plain rules, from the first
// to the last; where keys are rows: of the block), log-sum-exp, D.
template <Rules rules>
struct QueryFacts;
template <>
struct QueryFacts<Rules::plain> {
  int first, last;
  float log_sum_exp, row_dot;
};
template <>
struct QueryFacts<Rules::any> {
  SeenBits seen;
  float log_sum_exp, row_dot;
};
inline constexpr std::size_t query_facts_bytes = 16;
static_assert(sizeof(QueryFacts<Rules::plain>) == query_facts_bytes &&
              sizeof(QueryFacts<Rules::any>) == query_facts_bytes);

// Shared memory of the three kernels: what is known of the rows, then tiles. With several pieces
// their tiles alternate between two buffers. `columns`, `key_columns`, `value_columns`: as
// accumulated_columns() gives them (0: no such sums); `score_columns`, `dy_columns`: of the tiles.
template <class Tiles>
LOOKBACK_HOST_DEVICE constexpr int aligned_bytes(std::size_t bytes) {
  return (static_cast<int>(bytes) + Tiles::alignment - 1) / Tiles::alignment * Tiles::alignment;
}
// What a KeyWalk (attention_walk.h) keeps there beside the bits of rows.
template <Rules rules>
inline constexpr std::size_t key_walk_bytes = rules == Rules::plain ? 0 : 32;
template <class Tiles, Rules rules>
LOOKBACK_HOST_DEVICE constexpr int forward_head() {
  return aligned_bytes<Tiles>((2 * query_rows<Tiles> + 4) * sizeof(int) + key_walk_bytes<rules>);
}
template <class Tiles, Rules rules>
LOOKBACK_HOST_DEVICE constexpr int query_gradient_head() {
  return aligned_bytes<Tiles>(tile_rows<Tiles> * query_facts_bytes + key_walk_bytes<rules>);
}
template <class Tiles>
LOOKBACK_HOST_DEVICE constexpr int key_gradient_head(int queries) {
  return aligned_bytes<Tiles>(static_cast<std::size_t>(queries) * query_facts_bytes);
}
template <class Tiles>
constexpr std::size_t bytes_with(int head, int elements) {
  return static_cast<std::size_t>(head) +
         static_cast<std::size_t>(elements) * sizeof(typename Tiles::Element);
}

template <class Tiles, Rules rules = Rules::plain>
constexpr std::size_t forward_bytes(int columns, int score_columns, int pieces) {
  const int keys = Tiles::keys_of_tile(columns), buffers = pieces > 1 ? 2 : 1;
  return bytes_with<Tiles>(
      forward_head<Tiles, rules>(),
      Tiles::size(buffers * (query_rows<Tiles> + keys), score_columns, Tiles::widest_block) +
          Tiles::size(keys, columns, Tiles::block_of(columns)));
}
// `columns`: of all sums together, `block`: Tiles::block_of(those of one).
template <class Tiles, Rules rules = Rules::plain>
constexpr std::size_t query_gradient_bytes(int columns, int block, int score_columns,
                                           int value_columns, int pieces) {
  const int both = tile_rows<Tiles> + Tiles::keys_of_tile(columns), buffers = pieces > 1 ? 2 : 1;
  return bytes_with<Tiles>(query_gradient_head<Tiles, rules>(),
                           Tiles::size(buffers * both, score_columns, block) +
                               Tiles::size(both, value_columns, Tiles::widest_block));
}
template <class Tiles>
constexpr std::size_t key_gradient_bytes(int key_columns, int targets, int value_columns,
                                         int score_columns, int dy_columns, int pieces) {
  const int queries = Tiles::queries_of_tile(key_columns * targets + value_columns);
  const int keys = (pieces > 1 ? 2 : 1) * tile_rows<Tiles>;
  return bytes_with<Tiles>(
      key_gradient_head<Tiles>(queries),
      Tiles::size(keys + 2 * queries, score_columns, Tiles::block_of(key_columns)) +
          Tiles::size((key_columns > 0 ? tile_rows<Tiles> : 0) + queries, dy_columns,
                      Tiles::block_of(value_columns)));
}

// The most that any of them asks for. `widths`: of the pieces.
template <class Tiles, Rules rules = Rules::plain, class Widths>
std::size_t max_shared_bytes(const Widths& widths, std::int64_t value_width) {
  using T = typename Tiles::Element;
  const int pieces = static_cast<int>(widths.size());
  const int value_columns = accumulated_columns<T, rules>(value_width);
  int score_columns = Tiles::summed;
  for (const auto width : widths) {
    score_columns = std::max(score_columns, contracted_columns<Tiles>(width));
  }
  auto most = std::max(
      forward_bytes<Tiles, rules>(value_columns, score_columns, pieces),
      key_gradient_bytes<Tiles>(0, 1, value_columns, score_columns, value_columns, pieces));
  for (const auto width : widths) {
    const int columns = accumulated_columns<T, rules>(width);
    const int wide = std::max(columns, score_columns);
    for (const int targets : {1, max_targets<T, rules>(width)}) {
      most = std::max(
          {most,
           query_gradient_bytes<Tiles, rules>(columns * targets, Tiles::block_of(columns), wide,
                                              contracted_columns<Tiles>(value_width), pieces),
           key_gradient_bytes<Tiles>(columns, targets, 0, wide, value_columns, pieces),
           key_gradient_bytes<Tiles>(columns, targets, value_columns, wide, value_columns,
                                     pieces)});
    }
  }
  return most;
}

// What a block of query rows sees of the keys: any row [first, last), every row
// [all_first, all_last).
struct SeenByBlock {
  int first = 2147483647, last = 0;
  int all_first = 0, all_last = 2147483647;

  LOOKBACK_HOST_DEVICE void add(int from, int to) {
    if (from < to) {
      first = from < first ? from : first;
      last = to > last ? to : last;
    }
    all_first = from > all_first ? from : all_first;
    all_last = to < all_last ? to : all_last;
  }
  LOOKBACK_HOST_DEVICE bool nothing() const { return last == 0; }
  // Where the first tile begins: at a multiple of its size.
  LOOKBACK_HOST_DEVICE int begin(int tile) const { return nothing() ? 0 : first / tile * tile; }
  LOOKBACK_HOST_DEVICE bool whole(int begin_of_tile, int tile) const {
    return all_first <= begin_of_tile && begin_of_tile + tile <= all_last;
  }
};

// The query rows [first, last) outside of which none sees a key of [key, key + keys). Documents are
// not looked at.
struct QueryRange {
  std::int64_t first, last;
};
LOOKBACK_HOST_DEVICE inline QueryRange queries_that_may_see(const VisibleKeys& visible,
                                                            std::int64_t key, std::int64_t keys,
                                                            std::int64_t rows) {
  auto first = key - visible.offset;
  first = first > 0 ? first : 0;
  auto last = rows;
  if (visible.window > 0) {
    const auto end = key + keys - 1 + visible.window - visible.offset;
    last = end < last ? end : last;
  }
  return {.first = first, .last = last > first ? last : first};
}

// A range of keys as rows of a block that begins at `key`.
struct RowsOfBlock {
  int first, last;
};
LOOKBACK_HOST_DEVICE inline RowsOfBlock rows_of_block(const KeyRange& range, std::int64_t key,
                                                      int rows) {
  const auto cut = [rows](std::int64_t head_in_group) {
    return static_cast<int>(head_in_group < 0 ? 0 : head_in_group > rows ? rows : head_in_group);
  };
  return {.first = cut(range.first - key), .last = cut(range.last - key)};
}

// Blocks are numbered so that those with most to do come first: for query rows the last ones.
struct BlockPlace {
  std::int64_t sequence, key_head, head_in_group, first;
};
LOOKBACK_HOST_DEVICE inline BlockPlace place_of_query_block(std::int64_t block,
                                                            std::int64_t sequences,
                                                            std::int64_t key_heads,
                                                            std::int64_t group, std::int64_t rows,
                                                            int rows_of_one) {
  const auto pairs = sequences * key_heads * group;
  const auto blocks = (rows + rows_of_one - 1) / rows_of_one;
  const auto pair = block % pairs;
  return {.sequence = pair / group / key_heads,
          .key_head = pair / group % key_heads,
          .head_in_group = pair % group,
          .first = (blocks - 1 - block / pairs) * rows_of_one};
}
LOOKBACK_HOST_DEVICE inline BlockPlace place_of_key_block(std::int64_t block,
                                                          std::int64_t sequences,
                                                          std::int64_t key_heads, int rows_of_one) {
  const auto pairs = sequences * key_heads;
  const auto pair = block % pairs;
  return {.sequence = pair / key_heads,
          .key_head = pair % key_heads,
          .head_in_group = 0,
          .first = block / pairs * rows_of_one};
}

}  // namespace lookback::kernels
