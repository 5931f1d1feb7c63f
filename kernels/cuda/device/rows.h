// Kernels that work on the rows of a matrix, each by itself: a warp per short row, a block per long
// one. For .cu files.
//
// A body is a struct with `template <class Group> LOOKBACK_DEVICE void operator()(std::int64_t row,
// const Group& group) const`; every thread of the group calls it. The group deals out the row in
// packs and reduces over its threads:
//
//   const typename Group::template Row<T> x(group, pointer);   in registers, where it fits
//   group.for_each_pack([&](int iteration, std::int64_t column) {
//     .. x.pack(iteration, column) ..
//   });
//   group.reduce(value, device::Plus{})
//
// Reductions go in an order that depends on the number of columns and on the alignment alone.
#pragma once

#include <initializer_list>

#include "kernels/core/operand.h"
#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// `group_threads` threads share a row, in packs of `pack_elements`. Each keeps up to `held` packs
// in registers; with 0, rows of any length are read again each time.
template <int pack_elements, int group_threads, int held>
struct RowGroup {
  static constexpr int width = pack_elements;
  static constexpr int group = group_threads;
  static constexpr int held_packs = held;

  std::int64_t columns;
  int lane;            // of the group
  std::byte* scratch;  // 8 bytes for each warp of a block

  // The longest row it can work on.
  static constexpr bool fits(std::int64_t columns) {
    return held == 0 || columns <= std::int64_t{held} * group * width;
  }

  // visit(iteration, column) for the packs of this thread.
  template <class Visit>
  LOOKBACK_DEVICE void for_each_pack(const Visit& visit) const {
    if constexpr (held > 0) {
      LOOKBACK_UNROLL
      for (int iteration = 0; iteration < held; ++iteration) {
        const auto column = std::int64_t{iteration * group + lane} * width;
        if (column < columns) visit(iteration, column);
      }
    } else {
      for (auto column = std::int64_t{lane} * width; column < columns; column += group * width) {
        visit(0, column);
      }
    }
  }

  template <class T, class Combine>
  LOOKBACK_DEVICE T reduce(T value, const Combine& combine) const {
    if constexpr (group == device::warp_threads) {
      return device::reduce_warp(value, combine);
    } else {
      return device::reduce_block<group>(value, reinterpret_cast<T*>(scratch), combine);
    }
  }

  template <class T>
  class Row {
   public:
    // The row that begins there, read at once where it is held.
    LOOKBACK_DEVICE Row(const RowGroup& by, const T* from) : data_(from) { load(by, from); }
    // A row that is yet to be written, by put().
    LOOKBACK_DEVICE explicit Row(T* to) : data_(to), packs_{} {}

    LOOKBACK_DEVICE void load(const RowGroup& by, const T* from) {
      data_ = from;
      if constexpr (held > 0) {
        by.for_each_pack([&](int iteration, std::int64_t column) {
          packs_[iteration] = read_pack<width>(from + column);
        });
      }
    }
#if !defined(__CUDACC__)  // g++ does not see that only packs of the row are asked for
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
    LOOKBACK_DEVICE Pack<T, width> pack(int iteration, std::int64_t column) const {
      if constexpr (held > 0) {
        return packs_[iteration];
      } else {
        return read_pack<width>(data_ + column);
      }
    }
#if !defined(__CUDACC__)
#pragma GCC diagnostic pop
#endif
    LOOKBACK_DEVICE void put(T* to, int iteration, std::int64_t column,
                             const Pack<T, width>& values) {
      if constexpr (held > 0) packs_[iteration] = values;
      write_pack(to + column, values);
    }

   private:
    const T* data_;
    Pack<T, width> packs_[held > 0 ? held : 1];
  };
};

template <class Body, class Group>
struct RowKernel {
  static constexpr int threads = Group::group == device::warp_threads ? 128 : Group::group;
  static constexpr int rows_per_block = threads / Group::group;
  static constexpr std::size_t shared_bytes = rows_per_block > 1
                                                  ? 0
                                                  : threads / device::warp_threads * sizeof(double);

  Body body;
  std::int64_t rows, columns;

  LOOKBACK_DEVICE void operator()() const {
    const int thread = device::thread_index();
    const auto row = device::block_index() * rows_per_block + thread / Group::group;
    if (row >= rows) return;  // the whole group
    auto* scratch = shared_bytes > 0 ? device::shared_memory() : nullptr;
    body(row, Group{columns, thread % Group::group, scratch});
  }
};

// Whether rows of these views, each of its own dtype, can be read in packs of `width`. A view with
// one dimension is one row.
inline bool rows_fit_packs(int width, std::int64_t columns, std::initializer_list<Operand> views) {
  if (columns % width != 0) return false;
  for (const auto& view : views) {
    if (!view.present()) continue;
    const auto alignment = pack_alignment(size_of(view.dtype), width);
    if (reinterpret_cast<std::uintptr_t>(view.data) % alignment != 0) return false;
    if (view.rank() == 2 && view.stride(0) % width != 0) return false;
  }
  return true;
}

// launch(Group{}) with the kind of group that suits rows of so many columns.
template <class T, class Launch>
void with_row_group(std::int64_t columns, std::initializer_list<Operand> views,
                    const Launch& launch) {
  constexpr int warp = device::warp_threads, block = 256, held = 4;
  const auto with_width = [&]<int width>(std::integral_constant<int, width>) {
    // Fewer packs to hold leave registers for more rows at a time.
    if constexpr (width > 1) {
      if (RowGroup<width, warp, 1>::fits(columns)) {
        launch(RowGroup<width, warp, 1>{});
        return;
      }
      if (!RowGroup<width, warp, held>::fits(columns) &&
          RowGroup<width, block, held / 2>::fits(columns)) {
        launch(RowGroup<width, block, held / 2>{});
        return;
      }
    }
    if (RowGroup<width, warp, held>::fits(columns)) {
      launch(RowGroup<width, warp, held>{});
    } else if (RowGroup<width, block, held>::fits(columns)) {
      launch(RowGroup<width, block, held>{});
    } else {
      launch(RowGroup<width, block, 0>{});
    }
  };
  if (rows_fit_packs(pack_width<T>, columns, views)) {
    with_width(std::integral_constant<int, pack_width<T>>{});
  } else {
    with_width(std::integral_constant<int, 1>{});
  }
}

// body(row, group) for every row. `views` are what it reads and writes as packs of as many elements
// as make 16 bytes of T's, [rows, columns] or [columns].
template <class T, class Body>
void for_each_row_on_gpu(std::int64_t rows, std::int64_t columns,
                         std::initializer_list<Operand> views, const Body& body) {
  with_row_group<T>(columns, views, [&]<class Group>(Group) {
    using Kernel = RowKernel<Body, Group>;
    device::launch({.blocks = device::blocks_for(rows, Kernel::rows_per_block),
                    .shared_bytes = Kernel::shared_bytes},
                   Kernel{body, rows, columns});
  });
}

}  // namespace lookback::kernels
