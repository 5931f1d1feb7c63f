#include "kernels/rms_norm.h"

#include "kernels/cuda/device/column_sums.h"
#include "kernels/cuda/rms_rows.h"

namespace lookback::kernels {
namespace {

template <class T, class Y>
struct ForwardRow {
  using Sum = Accumulator<T>;
  const T* x;
  const T* weight;
  Y* y;
  Sum* inverse_rms;
  std::int64_t x_step, y_step;
  Sum epsilon;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const typename Group::template Row<T> in(group, x + row * x_step);
    const Sum inverse = normalize<T>(group, in, weight, epsilon, y + row * y_step);
    if (group.lane == 0) inverse_rms[row] = inverse;
  }
};

void forward(const RmsNormForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    using Sum = Accumulator<T>;
    const ForwardRow<T, Y> body{a.x.as<T>(),
                                a.weight.as<T>(),
                                a.y.as<Y>(),
                                a.inverse_rms.as<Sum>(),
                                a.x.stride(0),
                                a.y.stride(0),
                                static_cast<Sum>(a.epsilon)};
    for_each_row_on_gpu<T>(a.x.size(0), a.x.size(1), {a.x, a.weight, a.y}, body);
  });
}

// As many sums of dweight as keep a whole GPU busy (four blocks for each of 132 multiprocessors),
// and are little beside the rows themselves.
constexpr std::int64_t max_partials = 528;

// Every group of a block gets as many rows as the others.
constexpr std::int64_t rows_per_partial(std::int64_t rows, std::int64_t groups) {
  return rows == 0 ? groups : device::blocks_for(rows, max_partials * groups) * groups;
}

// One block goes through `rows_per_block` rows: its groups take them in turn, and fetch the next
// one while they reduce over this one. What each thread adds to dweight stays in its registers;
// the groups' sums are added up in their order at the end.
template <class T, class Y, class Group>
struct Backward {
  static constexpr int threads = 256;
  static constexpr int groups = threads / Group::group;
  static constexpr int width = Group::width;
  using Sum = Accumulator<T>;
  using Row = typename Group::template Row<T>;
  using SlopeRow = typename Group::template Row<Y>;

  const Y* dy;
  const T* x;
  const T* weight;
  const Sum* inverse_rms;
  const T* dsum;  // null: zero
  T* dx;
  BFloat16* dx_rounded;  // null: not wanted
  Sum* partials;         // [blocks, columns]; null: not wanted
  std::int64_t dy_step, x_step, dsum_step, dx_step, dx_rounded_step;
  std::int64_t rows, columns, rows_per_block;

  std::size_t shared_bytes() const {
    const auto sums = groups > 1 && partials != nullptr
                          ? static_cast<std::size_t>(groups * columns) * sizeof(Sum)
                          : 0;
    return sums > reduce_bytes ? sums : reduce_bytes;
  }

  LOOKBACK_DEVICE void operator()() const {
    const int index = device::thread_index() / Group::group;
    const Group group{columns, device::thread_index() % Group::group, device::shared_memory()};
    const auto begin = device::block_index() * rows_per_block;
    const auto end = begin + rows_per_block < rows ? begin + rows_per_block : rows;
    Sum* partial = partials == nullptr ? nullptr : partials + device::block_index() * columns;
    Shares shares{};
    if constexpr (Group::held_packs == 0) {
      if (partial != nullptr) clear(group, partial);
    }
    if (begin + index < end) {
      Row values(group, x + (begin + index) * x_step);
      SlopeRow slopes(group, dy + (begin + index) * dy_step);
      for (auto row = begin + index; row < end; row += groups) {
        const Row now_values = values;
        const SlopeRow now_slopes = slopes;
        if (row + groups < end) {
          values.load(group, x + (row + groups) * x_step);
          slopes.load(group, dy + (row + groups) * dy_step);
        }
        one_row(group, row, now_values, now_slopes, partial, shares);
      }
    }
    if constexpr (Group::held_packs > 0) {
      if (partial != nullptr) add_up(group, index, shares, partial);
    }
  }

 private:
  static constexpr std::size_t reduce_bytes = threads / device::warp_threads * sizeof(double);
  // Of dweight, at the columns of this thread.
  struct Shares {
    Sum of[Group::held_packs > 0 ? Group::held_packs : 1][width];
  };

  LOOKBACK_DEVICE void clear(const Group& group, Sum* partial) const {
    group.for_each_pack([&](int, std::int64_t column) {
      for (int i = 0; i < width; ++i) partial[column + i] = 0;
    });
  }

  LOOKBACK_DEVICE void one_row(const Group& group, std::int64_t row, const Row& values,
                               const SlopeRow& slopes, Sum* partial, Shares& shares) const {
    const Sum inverse = inverse_rms[row];
    Sum dot = 0;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto value = values.pack(iteration, column);
      const auto slope = slopes.pack(iteration, column);
      const auto scale = read_pack<width>(weight + column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const Sum weighted =
            static_cast<Sum>(scale.element[i]) * static_cast<Sum>(slope.element[i]);
        dot = device::fma(weighted, static_cast<Sum>(value.element[i]), dot);
      }
    });
    dot = group.reduce(dot, device::Plus{});
    const Sum pull = dot / static_cast<Sum>(columns) * inverse * inverse;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto value = values.pack(iteration, column);
      const auto slope = slopes.pack(iteration, column);
      const auto scale = read_pack<width>(weight + column);
      Pack<T, width> other{};
      if (dsum != nullptr) other = read_pack<width>(dsum + row * dsum_step + column);
      Pack<T, width> result;
      Pack<BFloat16, width> rounded;
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto v = static_cast<Sum>(value.element[i]), s = static_cast<Sum>(slope.element[i]);
        const Sum share = s * v * inverse;
        if constexpr (Group::held_packs > 0) {
          shares.of[iteration][i] += share;
        } else if (partial != nullptr) {
          partial[column + i] += share;
        }
        const Sum own = device::fma(-v, pull, static_cast<Sum>(scale.element[i]) * s) * inverse;
        const Sum total = own + static_cast<Sum>(other.element[i]);
        result.element[i] = static_cast<T>(total);
        if constexpr (std::is_same_v<T, float>) rounded.element[i] = BFloat16(total);
      }
      write_pack(dx + row * dx_step + column, result);
      if constexpr (std::is_same_v<T, float>) {
        if (dx_rounded != nullptr) {
          write_pack(dx_rounded + row * dx_rounded_step + column, rounded);
        }
      }
    });
  }

  LOOKBACK_DEVICE void add_up(const Group& group, int index, const Shares& shares,
                              Sum* partial) const {
    auto* all = groups == 1 ? partial : reinterpret_cast<Sum*>(device::shared_memory());
    group.for_each_pack([&](int iteration, std::int64_t column) {
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) all[index * columns + column + i] = shares.of[iteration][i];
    });
    if constexpr (groups > 1) {
      device::sync_block();
      for (std::int64_t column = device::thread_index(); column < columns; column += threads) {
        Sum total = all[column];
        for (int other = 1; other < groups; ++other) total += all[other * columns + column];
        partial[column] = total;
      }
    }
  }
};

void backward(const RmsNormBackwardArgs& a) {
  const auto rows = a.x.size(0), columns = a.x.size(1);
  visit_rounded(a.x.dtype, a.dy.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    using Sum = Accumulator<T>;
    const auto views = {Operand(a.dy),   Operand(a.x),  Operand(a.weight),
                        Operand(a.dsum), Operand(a.dx), Operand(a.dx_rounded)};
    with_row_group<T>(columns, views, [&]<class Group>(Group) {
      using Kernel = Backward<T, Y, Group>;
      const Kernel kernel{
          a.dy.as<Y>(),
          a.x.as<T>(),
          a.weight.as<T>(),
          a.inverse_rms.as<Sum>(),
          a.dsum.as<T>(),
          a.dx.as<T>(),
          a.dx_rounded.as<BFloat16>(),
          a.dweight.present() ? a.workspace.as<Sum>() : nullptr,
          a.dy.stride(0),
          a.x.stride(0),
          a.dsum.present() ? a.dsum.stride(0) : 0,
          a.dx.stride(0),
          a.dx_rounded.present() ? a.dx_rounded.stride(0) : 0,
          rows,
          columns,
          a.dweight.present() ? rows_per_partial(rows, Kernel::groups) : Kernel::groups};
      const auto blocks = device::blocks_for(rows, kernel.rows_per_block);
      device::launch({.blocks = blocks, .shared_bytes = kernel.shared_bytes()}, kernel);
      if (a.dweight.present()) {
        sum_dense_columns(a.workspace.as<Sum>(), a.dweight.as<T>(), blocks, columns, Sum(1));
      }
    });
  });
}

std::size_t workspace_bytes(const RmsNormBackwardArgs& a) {
  if (!a.dweight.present()) return 0;
  const auto rows = a.x.size(0);
  const auto partials = rows < max_partials ? rows : max_partials;
  return static_cast<std::size_t>(partials * a.x.size(1)) * size_of(accumulator_of(a.x.dtype));
}

const Registration forward_registered{rms_norm_forward, Backend::cuda, forward};
const Registration backward_registered{rms_norm_backward, Backend::cuda, backward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
