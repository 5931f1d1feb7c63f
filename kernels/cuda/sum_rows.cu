// sum_rows() of pick_rows.h. The positions are sorted by their integer, which gives runs of equal
// ones. The sorted positions are cut into windows; a block adds up, for each run, what of it lies
// in its window. A run that lies in one window is done then; of the others the parts wait in the
// workspace, two at most per window: of the run that comes in, and of one that goes out.
#include <algorithm>
#include <bit>

#include "kernels/cuda/pack.h"
#include "kernels/cuda/pick_rows.h"
#include "kernels/cuda/sort_keys.h"
#include "kernels/fill.h"

namespace lookback::kernels {
namespace {

constexpr std::int64_t window_positions = 32;

struct Prepare {
  static constexpr int threads = 256;
  const std::int64_t* index;
  std::uint32_t* keys;
  std::uint32_t* positions;
  std::int64_t count, limit;

  LOOKBACK_DEVICE void operator()() const {
    const auto i = device::block_index() * threads + device::thread_index();
    if (i >= count) return;
    const auto key = index[i];
    keys[i] = static_cast<std::uint32_t>(key >= 0 && key < limit ? key : 0);
    positions[i] = static_cast<std::uint32_t>(i);
  }
};

// What both kernels below see: a block has one window of one outer row, and as many columns as its
// threads have packs of.
template <class X, class Y, int pack_elements>
struct Windows {
  static constexpr int threads = 128;
  static constexpr int width = pack_elements;
  using Sum = Accumulator<X>;

  const X* x;
  const std::uint32_t* keys;       // sorted
  const std::uint32_t* positions;  // in the order of keys
  Y* y;
  Sum* parts;  // [outer, 2 windows, inner]: of the run that comes in, of the one that goes out
  std::int64_t picked, limit, inner, windows, column_blocks;

  struct Place {
    std::int64_t outer, window, column, begin, end;
  };
  LOOKBACK_DEVICE Place place() const {
    Place at;
    const auto row = device::block_index() / column_blocks;
    const auto column_block = device::block_index() - row * column_blocks;
    at.outer = row / windows;
    at.window = row - at.outer * windows;
    at.column = (column_block * threads + device::thread_index()) * width;
    at.begin = at.window * window_positions;
    at.end = at.begin + window_positions < picked ? at.begin + window_positions : picked;
    return at;
  }
  // Whether the run at the begin of the window began before it.
  LOOKBACK_DEVICE bool comes_in(const Place& at) const {
    return at.begin > 0 && keys[at.begin - 1] == keys[at.begin];
  }
  LOOKBACK_DEVICE bool goes_out(const Place& at) const {
    return at.end < picked && keys[at.end] == keys[at.end - 1];
  }
  LOOKBACK_DEVICE Sum* part(const Place& at, std::int64_t window, int which) const {
    return parts + ((at.outer * windows + window) * 2 + which) * inner + at.column;
  }
  LOOKBACK_DEVICE void write(const Place& at, std::uint32_t key,
                             const Pack<Sum, width>& sums) const {
    Pack<Y, width> result;
    LOOKBACK_UNROLL
    for (int i = 0; i < width; ++i) result.element[i] = static_cast<Y>(sums.element[i]);
    write_pack(y + (at.outer * limit + key) * inner + at.column, result);
  }
};

template <class X, class Y, int width>
struct SumWindow : Windows<X, Y, width> {
  using Base = Windows<X, Y, width>;
  using Sum = typename Base::Sum;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = this->place();
    if (at.column >= this->inner) return;
    bool comes_in = this->comes_in(at);
    auto key = this->keys[at.begin];
    Pack<Sum, width> sums{};
    for (auto first = at.begin; first < at.end; first += ahead) {
      Pack<X, width> rows[ahead];
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        const auto i = first + j < at.end ? first + j : at.end - 1;  // the last one again
        rows[j] = read_pack<width>(row(at, i));
      }
      LOOKBACK_UNROLL
      for (int j = 0; j < ahead; ++j) {
        if (first + j >= at.end) break;
        const auto next = this->keys[first + j];
        if (next != key) {
          finish(at, key, comes_in, false, sums);
          key = next;
          comes_in = false;
          sums = {};
        }
        LOOKBACK_UNROLL
        for (int i = 0; i < width; ++i) sums.element[i] += static_cast<Sum>(rows[j].element[i]);
      }
    }
    finish(at, key, comes_in, this->goes_out(at), sums);
  }

 private:
  static constexpr int ahead = 4;  // rows under way at the same time

  LOOKBACK_DEVICE const X* row(const typename Base::Place& at, std::int64_t i) const {
    return this->x + (at.outer * this->picked + this->positions[i]) * this->inner + at.column;
  }
  LOOKBACK_DEVICE void finish(const typename Base::Place& at, std::uint32_t key, bool comes_in,
                              bool goes_out, const Pack<Sum, width>& sums) const {
    if (comes_in || goes_out) {
      write_pack(this->part(at, at.window, comes_in ? 0 : 1), sums);
    } else {
      this->write(at, key, sums);
    }
  }
};

// For the run, if there is one, that begins in the window and goes out of it.
template <class X, class Y, int width>
struct AddParts : Windows<X, Y, width> {
  using Sum = typename Windows<X, Y, width>::Sum;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = this->place();
    if (at.column >= this->inner || !this->goes_out(at)) return;
    const auto key = this->keys[at.end - 1];
    if (this->keys[at.begin] == key && this->comes_in(at)) return;
    auto sums = read_pack<width>(this->part(at, at.window, 1));
    for (auto window = at.window + 1;
         window < this->windows && this->keys[window * window_positions] == key; ++window) {
      const auto more = read_pack<width>(this->part(at, window, 0));
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) sums.element[i] += more.element[i];
    }
    this->write(at, key, sums);
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
void sum_sorted(const SummedRows& rows, const Layout& layout, const KeySort& sort) {
  using Sum = Accumulator<X>;
  using Base = Windows<X, Y, width>;
  const auto column_blocks = device::blocks_for(rows.inner, Base::threads * width);
  const Base base{static_cast<const X*>(rows.x),
                  sort.sorted_keys,
                  sort.sorted_values,
                  rows.y.as<Y>(),
                  static_cast<Sum*>(layout.parts(rows.workspace)),
                  rows.picked,
                  rows.limit,
                  rows.inner,
                  layout.windows,
                  column_blocks};
  const device::Grid grid{.blocks = rows.outer * layout.windows * column_blocks};
  device::launch(grid, SumWindow<X, Y, width>{base});
  device::launch(grid, AddParts<X, Y, width>{base});
}

}  // namespace

std::size_t summed_rows_workspace_bytes(const SummedRows& rows) {
  return rows.picked == 0 ? 0 : Layout(rows).bytes();
}

void sum_rows(const SummedRows& rows) {
  fill.at(Backend::cuda)({.y = rows.y, .value = 0});
  if (rows.picked == 0 || rows.y.numel() == 0) return;
  const Layout layout(rows);
  auto sort = layout.sort;
  const auto keys = layout.integers(rows.workspace, 0);
  const auto positions = layout.integers(rows.workspace, 1);
  sort.keys = keys;
  sort.values = positions;
  sort.sorted_keys = layout.integers(rows.workspace, 2);
  sort.sorted_values = layout.integers(rows.workspace, 3);
  device::launch({.blocks = device::blocks_for(rows.picked, Prepare::threads)},
                 Prepare{rows.index, keys, positions, rows.picked, rows.limit});
  sort_keys(sort, rows.workspace);
  visit_floating(rows.dtype, [&]<class X>(TypeTag<X>) {
    const auto run = [&]<class Y>(TypeTag<Y>) {
      constexpr int width = pack_width<X>;
      if (rows.inner % width == 0 && is_aligned<X>(rows.x, width) &&
          is_aligned<Y>(rows.y.data, width)) {
        sum_sorted<X, Y, width>(rows, layout, sort);
      } else {
        sum_sorted<X, Y, 1>(rows, layout, sort);
      }
    };
    if (rows.y.dtype == rows.dtype) {
      run(TypeTag<X>{});
    } else {
      run(TypeTag<Accumulator<X>>{});
    }
  });
}

}  // namespace lookback::kernels
