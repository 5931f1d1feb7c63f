#include "kernels/linear_cross_entropy.h"

#include <algorithm>

#include "kernels/cuda/cross_entropy_totals.h"
#include "kernels/cuda/device/index_report.h"
#include "kernels/cuda/device/product_views.h"
#include "kernels/cuda/device/rows.h"
#include "kernels/cuda/exponentials.h"

namespace lookback::kernels {
namespace {

// A row of logits: its nats, whether its prediction is right, and its gradient.
template <class T>
struct FinishRow {
  using Sum = Accumulator<T>;

  const Sum* logits;  // [rows of the chunk, V]
  T* dlogits;         // may be the logits; null: not wanted
  const std::int64_t* targets;
  Sum* nats;
  std::uint8_t* right;
  IndexCheck check;
  std::int64_t first_row, ignore_index;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const auto given = targets[first_row + row];
    T* gradient = dlogits == nullptr ? nullptr : dlogits + row * group.columns;
    if (given == ignore_index) return ignore(group, row, gradient);
    const auto target = check(given, first_row + row);
    const typename Group::template Row<Sum> in(group, logits + row * group.columns);
    Exponentials<Sum> of_row{-INFINITY, 0, group.columns};
    Sum at_target = -INFINITY;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto pack = in.pack(iteration, column);
      add_pack(of_row, pack, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < Group::width; ++i) {
        if (column + i == target) at_target = pack.element[i];
      }
    });
    of_row = joined(group, of_row);
    at_target = group.reduce(at_target, device::Larger{});
    if (group.lane == 0) {
      nats[first_row + row] = nats_of(of_row, at_target);
      right[first_row + row] = of_row.first == target && of_row.largest == at_target ? 1 : 0;
    }
    if (gradient == nullptr) return;
    // Each thread writes over the logits that it alone still reads.
    const Sum scale = 1 / of_row.sum;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto pack = in.pack(iteration, column);
      Pack<T, Group::width> result;
      LOOKBACK_UNROLL
      for (int i = 0; i < Group::width; ++i) {
        const Sum share = device::exp(pack.element[i] - of_row.largest) * scale;
        result.element[i] = static_cast<T>(column + i == target ? share - 1 : share);
      }
      write_pack(gradient + column, result);
    });
  }

 private:
  template <class Group>
  LOOKBACK_DEVICE void ignore(const Group& group, std::int64_t row, T* gradient) const {
    if (group.lane == 0) {
      nats[first_row + row] = 0;
      right[first_row + row] = 0;
    }
    if (gradient == nullptr) return;
    group.for_each_pack(
        [&](int, std::int64_t column) { write_pack(gradient + column, Pack<T, Group::width>{}); });
  }
};

template <class T>
class Chunks {
 public:
  using Sum = Accumulator<T>;

  explicit Chunks(const LinearCrossEntropyForwardArgs& arguments)
      : a(arguments),
        all_rows(a.x.size(0)),
        vocabulary(a.weight.size(0)),
        dimension(a.x.size(1)),
        right(a.workspace.as<std::uint8_t>()) {
    if (!a.dx.present() && !a.dweight.present()) return;
    dlogits = std::is_same_v<T, Sum> ? a.logits.as<T>() : a.rounded_dlogits.as<T>();
  }

  void run() const {
    for (std::int64_t begin = 0; begin < all_rows; begin += a.logits.size(0)) {
      run_chunk(begin, std::min(a.logits.size(0), all_rows - begin));
    }
    if (all_rows == 0 && a.dweight.present()) {
      multiply_on_gpu(
          of_gradient({.a = {}, .b = {}, .y = a.dweight.data, .m = vocabulary, .k = 0}));
    }
    add_up_rows({.nats = a.nats.data,
                 .targets = a.targets.as<std::int64_t>(),
                 .right = right,
                 .rows = all_rows,
                 .ignore_index = a.ignore_index},
                a.loss_sum, a.count, a.correct);
  }

 private:
  void run_chunk(std::int64_t begin, std::int64_t rows) const {
    const ProductOperand x{advanced(a.x.data, a.x.dtype, begin * a.x.stride(0)), a.x.stride(0), 1};
    const ProductOperand weight{a.weight.data, a.weight.stride(0), 1};
    const ProductOperand weight_transposed{a.weight.data, 1, a.weight.stride(0)};
    multiply_on_gpu({.a = x,
                     .b = weight_transposed,
                     .y = a.logits.data,
                     .y_row_step = vocabulary,
                     .m = rows,
                     .n = vocabulary,
                     .k = dimension,
                     .operands = dtype_of<T>,
                     .result = dtype_of<Sum>});
    const FinishRow<T> finish{
        a.logits.as<Sum>(),
        dlogits,
        a.targets.as<std::int64_t>(),
        a.nats.as<Sum>(),
        right,
        index_check(IndexUser::linear_cross_entropy, a.targets, vocabulary, a.ignore_index),
        begin,
        a.ignore_index};
    for_each_row_on_gpu<Sum>(rows, vocabulary, {a.logits}, finish);
    if (a.dx.present()) {
      multiply_on_gpu(of_gradient({.a = {dlogits, vocabulary, 1},
                                   .b = weight,
                                   .y = advanced(a.dx.data, a.dx.dtype, begin * dimension),
                                   .m = rows,
                                   .k = vocabulary}));
    }
    if (a.dweight.present()) {
      multiply_on_gpu(of_gradient({.a = {dlogits, 1, vocabulary},
                                   .b = x,
                                   .y = a.dweight.data,
                                   .m = vocabulary,
                                   .k = rows,
                                   .keep = begin == 0 ? 0.0 : 1.0}));
    }
  }

  Product of_gradient(Product p) const {
    p.y_row_step = dimension;
    p.n = dimension;
    p.operands = dtype_of<T>;
    p.result = dtype_of<Sum>;
    return p;
  }

  const LinearCrossEntropyForwardArgs& a;
  std::int64_t all_rows, vocabulary, dimension;
  std::uint8_t* right;  // one per row
  T* dlogits = nullptr;
};

void forward(const LinearCrossEntropyForwardArgs& a) {
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) { Chunks<T>(a).run(); });
}

std::size_t workspace_bytes(const LinearCrossEntropyForwardArgs& a) {
  return static_cast<std::size_t>(a.x.size(0));
}

const Registration registered{linear_cross_entropy_forward, Backend::cuda, forward,
                              workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
