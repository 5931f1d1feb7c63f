// sum_rows() and sum_elements() of pick_rows.h. The positions are sorted by the row they pick,
// which gives runs of equal ones. The sorted positions are cut into windows, and for each run what
// of it lies in a window is added up. A run that lies in one window is done then; of the others the
// parts wait in the workspace, two at most per window: of the run that comes in, and of one that
// goes out.
#include <algorithm>
#include <bit>

#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/row_reduce.h"
#include "kernels/cuda/device/sort_keys.h"
#include "kernels/cuda/pick_rows.h"
#include "kernels/fill.h"

namespace lookback::kernels {
namespace {

constexpr std::int64_t window_positions = 32;

// Of each position its row of y, where that is [outer, limit, inner] and index
// [outer, picked, inner].
struct Prepare {
  static constexpr int threads = 256;
  const std::int64_t* index;
  std::uint32_t* keys;
  std::uint32_t* positions;
  std::int64_t count, picked, limit, inner;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = device::block_index() * threads + device::thread_index();
    if (at >= count) return;
    const auto given = index[at];
    const auto row = given >= 0 && given < limit ? given : 0;
    const auto outer = at / (picked * inner);
    const auto place = (outer * limit + row) * inner + at % inner;
    keys[at] = static_cast<std::uint32_t>(place);
    positions[at] = static_cast<std::uint32_t>(at);
  }
};

// What both kernels below see.
template <class X, class Y, int pack_elements>
struct Windows {
  static constexpr int width = pack_elements;
  using Sum = Accumulator<X>;

  const X* x;
  const std::uint32_t* keys;       // sorted
  const std::uint32_t* positions;  // in the order of keys
  Y* y;
  Sum* parts;  // [outer, 2 windows, inner]: of the run that comes in, of the one that goes out
  std::int64_t outer, picked, limit, inner, windows;

  LOOKBACK_DEVICE std::int64_t begin_of(std::int64_t window) const {
    return window * window_positions;
  }
  LOOKBACK_DEVICE std::int64_t end_of(std::int64_t window) const {
    const auto end = begin_of(window + 1);
    return end < picked ? end : picked;
  }
  // Whether the run at the begin of the window began before it.
  LOOKBACK_DEVICE bool comes_in(std::int64_t window) const {
    const auto begin = begin_of(window);
    return begin > 0 && keys[begin - 1] == keys[begin];
  }
  LOOKBACK_DEVICE bool goes_out(std::int64_t window) const {
    const auto end = end_of(window);
    return end < picked && keys[end] == keys[end - 1];
  }
  LOOKBACK_DEVICE Sum* part(std::int64_t o, std::int64_t window, int which,
                            std::int64_t column) const {
    return parts + ((o * windows + window) * 2 + which) * inner + column;
  }
  LOOKBACK_DEVICE void write(std::int64_t o, std::uint32_t key, std::int64_t column,
                             const Pack<Sum, width>& sums) const {
    Pack<Y, width> result;
    LOOKBACK_UNROLL
    for (int i = 0; i < width; ++i) result.element[i] = static_cast<Y>(sums.element[i]);
    write_pack(y + (o * limit + key) * inner + column, result);
  }
};

template <class Sum, class T, int width>
LOOKBACK_DEVICE void add_pack(Pack<Sum, width>& sums, const Pack<T, width>& more) {
  LOOKBACK_UNROLL
  for (int i = 0; i < width; ++i) sums.element[i] += static_cast<Sum>(more.element[i]);
}

// A thread per pack of columns of a window.
template <class X, class Y, int width>
struct SumWindow : Windows<X, Y, width> {
  static constexpr int threads = 128;
  using Sum = typename Windows<X, Y, width>::Sum;

  std::int64_t packs() const { return this->outer * this->windows * (this->inner / width); }

  LOOKBACK_DEVICE void operator()() const {
    const auto pack = device::block_index() * threads + device::thread_index();
    const auto packs_per_row = this->inner / width, row = pack / packs_per_row;
    const auto o = row / this->windows;
    if (o < this->outer) add_up({o, row - o * this->windows, (pack - row * packs_per_row) * width});
  }

 private:
  static constexpr int ahead = 4;  // rows under way at the same time
  struct Place {
    std::int64_t outer, window, column;
  };

  LOOKBACK_DEVICE void add_up(const Place& at) const {
    const auto begin = this->begin_of(at.window), end = this->end_of(at.window);
    bool comes_in = this->comes_in(at.window);
    auto key = this->keys[begin];
    Pack<Sum, width> sums{};
    for (auto first = begin; first < end; first += ahead) {
      Pack<X, width> rows[ahead];
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        const auto i = first + j < end ? first + j : end - 1;  // the last one again
        rows[j] = read_pack<width>(row(at, i));
      }
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        if (first + j >= end) break;
        const auto next = this->keys[first + j];
        if (next != key) {
          finish(at, key, comes_in, false, sums);
          key = next;
          comes_in = false;
          sums = {};
        }
        add_pack(sums, rows[j]);
      }
    }
    finish(at, key, comes_in, this->goes_out(at.window), sums);
  }
  LOOKBACK_DEVICE const X* row(const Place& at, std::int64_t i) const {
    return this->x + (at.outer * this->picked + this->positions[i]) * this->inner + at.column;
  }
  LOOKBACK_DEVICE void finish(const Place& at, std::uint32_t key, bool comes_in, bool goes_out,
                              const Pack<Sum, width>& sums) const {
    if (comes_in || goes_out) {
      write_pack(this->part(at.outer, at.window, comes_in ? 0 : 1, at.column), sums);
    } else {
      this->write(at.outer, key, at.column, sums);
    }
  }
};

// For each run that goes out of the window it begins in. A block looks at a few windows, for as
// many packs of columns as a warp has lanes; its warps take a run's parts in turn, and what each
// has is added up in their order.
template <class X, class Y, int width>
struct AddParts : Windows<X, Y, width> {
  static constexpr int threads = 256;
  static constexpr int lanes = device::warp_threads, warps = threads / lanes;
  static constexpr int group_windows = 8;
  using Sum = typename Windows<X, Y, width>::Sum;
  using Sums = Pack<Sum, width>;
  static constexpr std::size_t count_bytes = 128;  // what reduce_block wants
  static constexpr std::size_t shared_bytes = count_bytes + threads * sizeof(Sums);

  // No grid has more than 2^31 blocks.
  LOOKBACK_HOST_DEVICE std::uint32_t column_blocks() const {
    return static_cast<std::uint32_t>((this->inner / width + lanes - 1) / lanes);
  }
  LOOKBACK_HOST_DEVICE std::uint32_t groups() const {
    return static_cast<std::uint32_t>((this->windows + group_windows - 1) / group_windows);
  }

  LOOKBACK_DEVICE void operator()() const {
    const auto block = static_cast<std::uint32_t>(device::block_index());
    const auto row = block / column_blocks(), o = row / groups();
    const auto first = std::int64_t{row - o * groups()} * group_windows;
    const auto column_block = std::int64_t{block - row * column_blocks()};
    const auto column = (column_block * lanes + device::thread_index() % lanes) * width;
    for (int i = 0; i < group_windows && first + i < this->windows; ++i) {
      if (run_begins_in(first + i)) add_up(o, first + i, column);
    }
  }

 private:
  static constexpr int ahead = 4;  // parts under way at the same time

  LOOKBACK_DEVICE bool run_begins_in(std::int64_t window) const {
    if (!this->goes_out(window)) return false;
    const auto key = this->keys[this->end_of(window) - 1];
    return this->keys[this->begin_of(window)] != key || !this->comes_in(window);
  }
  // Of how many windows after this one the run fills the begin.
  LOOKBACK_DEVICE std::int64_t windows_after(std::int64_t window) const {
    const auto key = this->keys[this->end_of(window) - 1];
    auto* scratch = reinterpret_cast<int*>(device::shared_memory());
    for (std::int64_t count = 0;; count += threads) {
      const auto next = window + 1 + count + device::thread_index();
      const bool same = next < this->windows && this->keys[this->begin_of(next)] == key;
      const int found = device::reduce_block<threads>(same ? 1 : 0, scratch, device::Plus{});
      if (found < threads) return count + found;
    }
  }
  LOOKBACK_DEVICE void add_up(std::int64_t o, std::int64_t window, std::int64_t column) const {
    auto* of_warps = reinterpret_cast<Sums*>(device::shared_memory() + count_bytes);
    const int lane = device::thread_index() % lanes, warp = device::thread_index() / lanes;
    const auto count = windows_after(window);
    const bool has_columns = column < this->inner;
    Sums sums{};
    for (std::int64_t first = warp; has_columns && first < count; first += warps * ahead) {
      Sums more[ahead];
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        const auto i = first + j * warps < count ? first + j * warps : first;
        more[j] = read_pack<width>(this->part(o, window + 1 + i, 0, column));
      }
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        if (first + j * warps < count) add_pack(sums, more[j]);
      }
    }
    of_warps[device::thread_index()] = sums;
    device::sync_block();
    if (warp == 0 && has_columns) {
      auto total = read_pack<width>(this->part(o, window, 1, column));
      for (int other = 0; other < warps; ++other) add_pack(total, of_warps[other * lanes + lane]);
      this->write(o, this->keys[this->end_of(window) - 1], column, total);
    }
  }
};

// How the workspace is cut.
struct Layout {
  std::int64_t windows;
  KeySort sort;
  std::size_t sort_bytes, integers_bytes, part_bytes;

  explicit Layout(const SummedRows& rows)
      : windows(device::blocks_for(rows.picked, window_positions)),
        sort{.count = rows.picked,
             .key_bits = std::max(
                 1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows.limit))))},
        sort_bytes(padded(sort_keys_workspace_bytes(sort))),
        integers_bytes(padded(static_cast<std::size_t>(rows.picked) * sizeof(std::uint32_t))),
        part_bytes(static_cast<std::size_t>(rows.outer * 2 * windows * rows.inner) *
                   size_of(accumulator_of(rows.dtype))) {}

  std::size_t bytes() const { return sort_bytes + 4 * integers_bytes + part_bytes; }
  std::uint32_t* integers(void* workspace, std::size_t which) const {
    return reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(workspace) + sort_bytes +
                                            which * integers_bytes);
  }
  void* parts(void* workspace) const {
    return static_cast<std::byte*>(workspace) + sort_bytes + 4 * integers_bytes;
  }

 private:
  static std::size_t padded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
};

template <class X, class Y, int width>
void launch_sums(const SummedRows& rows, const Layout& layout, const KeySort& sort) {
  const Windows<X, Y, width> windows{static_cast<const X*>(rows.x),
                                     sort.sorted_keys,
                                     sort.sorted_values,
                                     rows.y.as<Y>(),
                                     static_cast<Accumulator<X>*>(layout.parts(rows.workspace)),
                                     rows.outer,
                                     rows.picked,
                                     rows.limit,
                                     rows.inner,
                                     layout.windows};
  const SumWindow<X, Y, width> sum{windows};
  device::launch({.blocks = device::blocks_for(sum.packs(), sum.threads)}, sum);
  const AddParts<X, Y, width> add{windows};
  device::launch(
      {.blocks = rows.outer * add.groups() * add.column_blocks(), .shared_bytes = add.shared_bytes},
      add);
}

// y's rows from keys that are the rows, once `prepare` has written them.
void sum_sorted(const SummedRows& rows, Prepare prepare) {
  fill.at(Backend::cuda)({.y = rows.y, .value = 0});
  if (rows.picked == 0 || rows.y.numel() == 0) return;
  const Layout layout(rows);
  auto sort = layout.sort;
  sort.keys = prepare.keys = layout.integers(rows.workspace, 0);
  sort.values = prepare.positions = layout.integers(rows.workspace, 1);
  sort.sorted_keys = layout.integers(rows.workspace, 2);
  sort.sorted_values = layout.integers(rows.workspace, 3);
  device::launch({.blocks = device::blocks_for(prepare.count, Prepare::threads)}, prepare);
  sort_keys(sort, rows.workspace);
  visit_floating(rows.dtype, [&]<class X>(TypeTag<X>) {
    const auto run = [&]<class Y>(TypeTag<Y>) {
      constexpr int width = pack_width<X>;
      if (rows.inner % width == 0 && is_aligned<X>(rows.x, width) &&
          is_aligned<Y>(rows.y.data, width)) {
        launch_sums<X, Y, width>(rows, layout, sort);
      } else {
        launch_sums<X, Y, 1>(rows, layout, sort);
      }
    };
    if (rows.y.dtype == rows.dtype) {
      run(TypeTag<X>{});
    } else {
      run(TypeTag<Accumulator<X>>{});
    }
  });
}

// Each number a row.
SummedRows rows_of(const SummedElements& elements) {
  return {.x = elements.x,
          .index = elements.index,
          .y = elements.y,
          .outer = 1,
          .picked = elements.outer * elements.picked * elements.inner,
          .limit = elements.outer * elements.limit * elements.inner,
          .inner = 1,
          .dtype = elements.dtype,
          .workspace = elements.workspace};
}

}  // namespace

std::size_t summed_rows_workspace_bytes(const SummedRows& rows) {
  return rows.picked == 0 ? 0 : Layout(rows).bytes();
}
std::size_t summed_elements_workspace_bytes(const SummedElements& elements) {
  return summed_rows_workspace_bytes(rows_of(elements));
}

void sum_rows(const SummedRows& rows) {
  sum_sorted(rows, {.index = rows.index,
                    .keys = nullptr,
                    .positions = nullptr,
                    .count = rows.picked,
                    .picked = rows.picked,
                    .limit = rows.limit,
                    .inner = 1});
}
void sum_elements(const SummedElements& elements) {
  const auto rows = rows_of(elements);
  sum_sorted(rows, {.index = elements.index,
                    .keys = nullptr,
                    .positions = nullptr,
                    .count = rows.picked,
                    .picked = elements.picked,
                    .limit = elements.limit,
                    .inner = elements.inner});
}

}  // namespace lookback::kernels
