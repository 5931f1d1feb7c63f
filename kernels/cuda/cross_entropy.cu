#include "kernels/cross_entropy.h"

#include "kernels/cuda/cross_entropy_totals.h"
#include "kernels/cuda/device/index_report.h"
#include "kernels/cuda/device/rows.h"
#include "kernels/cuda/exponentials.h"

namespace lookback::kernels {
namespace {

// Logits are read once: the sum is scaled whenever a larger one comes.
template <class T>
struct ForwardRow {
  using Sum = Accumulator<T>;
  const T* logits;
  const std::int64_t* targets;
  Sum* nats;
  Sum* maximum;
  Sum* sum;
  std::uint8_t* right;
  IndexCheck check;
  std::int64_t step, ignore_index;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const auto given = targets[row];
    if (given == ignore_index) {
      if (group.lane == 0) finish(row, 0, 0, 1, false);
      return;
    }
    const T* x = logits + row * step;
    Exponentials<Sum> of_row{-INFINITY, 0, group.columns};
    group.for_each_pack([&](int, std::int64_t column) {
      add_pack(of_row, read_pack<Group::width>(x + column), column);
    });
    of_row = joined(group, of_row);
    if (group.lane != 0) return;
    std::int64_t target = given;
    if (given < 0 || given >= group.columns) {
      target = check(given, row);
      if (group.columns == 0) return;
    }
    const auto at_target = static_cast<Sum>(x[target]);
    finish(row, nats_of(of_row, at_target), of_row.largest, of_row.sum,
           of_row.first == target && of_row.largest == at_target);
  }

 private:
  LOOKBACK_DEVICE void finish(std::int64_t row, Sum value, Sum largest, Sum total,
                              bool is_right) const {
    nats[row] = value;
    maximum[row] = largest;
    sum[row] = total;
    right[row] = is_right ? 1 : 0;
  }
};

// A thread per pack of logits.
template <class T, int width>
struct Backward {
  static constexpr int threads = 256;
  using Sum = Accumulator<T>;
  const Sum* dloss_sum;
  const T* logits;
  const std::int64_t* targets;
  const Sum* maximum;
  const Sum* sum;
  T* dlogits;
  std::int64_t step, columns, packs, packs_per_row, ignore_index;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= packs) return;
    const auto row = index / packs_per_row;
    const auto first = (index - row * packs_per_row) * width;
    const auto target = targets[row];
    Pack<T, width> values{};
    if (target != ignore_index) {
      values = read_pack<width>(logits + row * step + first);
      const Sum dloss = *dloss_sum, largest = maximum[row], scale = dloss / sum[row];
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const Sum e = device::exp(static_cast<Sum>(values.element[i]) - largest);
        values.element[i] = static_cast<T>(e * scale - (first + i == target ? dloss : Sum(0)));
      }
    }
    write_pack(dlogits + row * columns + first, values);
  }
};

void forward(const CrossEntropyForwardArgs& a) {
  const auto rows = a.logits.size(0), columns = a.logits.size(1);
  visit_floating(a.logits.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const ForwardRow<T> body{
        a.logits.as<T>(),
        a.targets.as<std::int64_t>(),
        a.nats.as<Sum>(),
        a.maximum.as<Sum>(),
        a.sum.as<Sum>(),
        a.workspace.as<std::uint8_t>(),
        index_check(IndexUser::cross_entropy, a.targets, columns, a.ignore_index),
        a.logits.stride(0),
        a.ignore_index};
    for_each_row_on_gpu<T>(rows, columns, {a.logits}, body);
  });
  add_up_rows({.nats = a.nats.data,
               .targets = a.targets.as<std::int64_t>(),
               .right = a.workspace.as<std::uint8_t>(),
               .rows = rows,
               .ignore_index = a.ignore_index},
              a.loss_sum, a.count, a.correct);
}

// A byte per row: whether its prediction is right.
std::size_t workspace_bytes(const CrossEntropyForwardArgs& a) {
  return static_cast<std::size_t>(a.logits.size(0));
}

void backward(const CrossEntropyBackwardArgs& a) {
  const auto rows = a.logits.size(0), columns = a.logits.size(1);
  visit_floating(a.logits.dtype, [&]<class T>(TypeTag<T>) {
    const auto run = [&]<int width>(std::integral_constant<int, width>) {
      using Sum = Accumulator<T>;
      const auto packs_per_row = columns / width;
      const Backward<T, width> kernel{
          a.dloss_sum.as<Sum>(), a.logits.as<T>(), a.targets.as<std::int64_t>(),
          a.maximum.as<Sum>(),   a.sum.as<Sum>(),  a.dlogits.as<T>(),
          a.logits.stride(0),    columns,          rows * packs_per_row,
          packs_per_row,         a.ignore_index};
      device::launch({.blocks = device::blocks_for(kernel.packs, kernel.threads)}, kernel);
    };
    if (rows_fit_packs(pack_width<T>, columns, {a.logits, a.dlogits})) {
      run(std::integral_constant<int, pack_width<T>>{});
    } else {
      run(std::integral_constant<int, 1>{});
    }
  });
}

const Registration forward_registered{cross_entropy_forward, Backend::cuda, forward,
                                      workspace_bytes};
const Registration backward_registered{cross_entropy_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
