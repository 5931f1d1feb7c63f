#include "kernels/cuda/copy_plan.h"
#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

// A block per tile of a TilePlan: read into shared memory in packs along x's dimension, a row of
// the tile per place along y's, and written in packs down its columns.
template <class To, class From, int pack_elements>
struct CopyTiles {
  static constexpr int threads = 256;
  static constexpr int width = pack_elements;
  static constexpr int side = sizeof(To) <= 4 ? 64 : 32;
  // An odd number of words, so that both ways meet all banks.
  static constexpr int pitch = side + (sizeof(To) < 4 ? static_cast<int>(4 / sizeof(To)) : 1);
  static constexpr std::size_t shared_bytes = sizeof(To) * side * pitch;

  const From* x;
  To* y;
  TilePlan plan;
  std::int64_t tiles_along_x, tiles_along_y;

  std::int64_t blocks() const { return plan.batches * tiles_along_x * tiles_along_y; }

  LOOKBACK_DEVICE void operator()() const {
    const auto row_of_tiles = device::block_index() / tiles_along_x;
    const auto first_column = (device::block_index() - row_of_tiles * tiles_along_x) * side;
    const auto batch = row_of_tiles / tiles_along_y;
    const auto first_row = (row_of_tiles - batch * tiles_along_y) * side;
    std::int64_t offsets[2] = {};
    plan.batch.add_offsets(batch, plan.batch.rank, offsets);
    const Tile tile{reinterpret_cast<To*>(device::shared_memory()),
                    within_side(plan.along_y.size - first_row),
                    within_side(plan.along_x.size - first_column)};
    read(tile,
         x + offsets[1] + first_row * plan.along_y.x_step + first_column * plan.along_x.x_step);
    device::sync_block();
    write(tile,
          y + offsets[0] + first_row * plan.along_y.y_step + first_column * plan.along_x.y_step);
  }

 private:
  static constexpr int iterations = side * side / (width * threads);
  struct Tile {
    To* elements;
    int rows, columns;
  };
  LOOKBACK_DEVICE static int within_side(std::int64_t size) {
    return size < side ? static_cast<int>(size) : side;
  }

  LOOKBACK_DEVICE void read(const Tile& tile, const From* from) const {
    constexpr int packs = side / width;
    const auto row_of = [](int iteration) {
      return (iteration * threads + device::thread_index()) / packs;
    };
    const int column = device::thread_index() % packs * width;
    Pack<From, width> values[iterations] = {};  // all under way before the first is used
    LOOKBACK_UNROLL
    for (int iteration = 0; iteration < iterations; ++iteration) {
      const int row = row_of(iteration);
      if (row >= tile.rows) continue;
      const From* at = from + row * plan.along_y.x_step + column * plan.along_x.x_step;
      if (width > 1 && column + width <= tile.columns) {
        values[iteration] = read_pack<width>(at);
        continue;
      }
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        if (column + i < tile.columns) values[iteration].element[i] = at[i * plan.along_x.x_step];
      }
    }
    LOOKBACK_UNROLL
    for (int iteration = 0; iteration < iterations; ++iteration) {
      const int row = row_of(iteration);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        tile.elements[row * pitch + column + i] =
            static_cast<To>(number_of<Accumulator<To>>(values[iteration].element[i]));
      }
    }
  }

  // A warp has 32 rows of as many columns as a pack has elements: rows a pack apart lie as many
  // banks apart.
  LOOKBACK_DEVICE void write(const Tile& tile, To* to) const {
    constexpr int warp = device::warp_threads, packs = warp / width, parts = side / warp;
    const int lane = device::thread_index() % warp;
    LOOKBACK_UNROLL
    for (int iteration = 0; iteration < iterations; ++iteration) {
      const int task = iteration * (threads / warp) + device::thread_index() / warp;
      const int row = task % parts * warp + lane % packs * width;
      const int column = task / parts * width + lane / packs;
      if (column >= tile.columns) continue;
      const To* from = tile.elements + row * pitch + column;
      To* at = to + row * plan.along_y.y_step + column * plan.along_x.y_step;
      if (width > 1 && row + width <= tile.rows) {
        Pack<To, width> values;
        LOOKBACK_UNROLL
        for (int i = 0; i < width; ++i) values.element[i] = from[i * pitch];
        write_pack(at, values);
        continue;
      }
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        if (row + i < tile.rows) at[i * plan.along_y.y_step] = from[i * pitch];
      }
    }
  }
};

template <class To, class From, int width>
void copy_tiles(const CopyForwardArgs& a, const TilePlan& plan) {
  using Kernel = CopyTiles<To, From, width>;
  const Kernel kernel{static_cast<const From*>(a.x.data), static_cast<To*>(a.y.data), plan,
                      device::blocks_for(plan.along_x.size, Kernel::side),
                      device::blocks_for(plan.along_y.size, Kernel::side)};
  device::launch({.blocks = kernel.blocks(), .shared_bytes = Kernel::shared_bytes}, kernel);
}

// Of one dtype: the bits as they are.
template <class Bits>
void copy_bits(const CopyForwardArgs& a, const TilePlan& plan) {
  constexpr int width = sizeof(Bits) < 8 ? pack_width<Bits> : 1;
  if (plan.takes_packs(width, a)) {
    copy_tiles<Bits, Bits, width>(a, plan);
  } else {
    copy_tiles<Bits, Bits, 1>(a, plan);
  }
}

void copy_through_tiles(const CopyForwardArgs& a, const TilePlan& plan) {
  if (a.x.dtype != a.y.dtype) {
    visit_any(a.y.dtype, [&]<class To>(TypeTag<To>) {
      visit_any(a.x.dtype, [&]<class From>(TypeTag<From>) {
        if constexpr (!std::is_same_v<To, From>) copy_tiles<To, From, 1>(a, plan);
      });
    });
    return;
  }
  switch (size_of(a.y.dtype)) {
    case 1: copy_bits<std::uint8_t>(a, plan); break;
    case 2: copy_bits<std::uint16_t>(a, plan); break;
    case 4: copy_bits<std::uint32_t>(a, plan); break;
    default: copy_bits<std::uint64_t>(a, plan);
  }
}

struct Copy {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x;
  }
};

void forward(const CopyForwardArgs& given) {
  if (given.y.numel() == 0) return;
  const auto a = in_memory_order(given);
  if (const auto plan = tile_plan(a)) {
    copy_through_tiles(a, *plan);
    return;
  }
  visit_any(a.y.dtype, [&]<class To>(TypeTag<To>) {
    visit_any(a.x.dtype,
              [&]<class From>(TypeTag<From>) { map_on_gpu<To, From>(a.y, Copy{}, a.x); });
  });
}

const Registration registered{copy_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
