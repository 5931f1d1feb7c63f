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
      : a_(arguments),
        all_rows_(a_.x.size(0)),
        vocabulary_(a_.weight.size(0)),
        dimension_(a_.x.size(1)),
        right_(a_.workspace.as<std::uint8_t>()) {
    if (!a_.dx.present() && !a_.dweight.present()) return;
    dlogits_ = std::is_same_v<T, Sum> ? a_.logits.as<T>() : a_.rounded_dlogits.as<T>();
  }

  void run() const {
    for (std::int64_t begin = 0; begin < all_rows_; begin += a_.logits.size(0)) {
      run_chunk(begin, std::min(a_.logits.size(0), all_rows_ - begin));
    }
    if (all_rows_ == 0 && a_.dweight.present()) {
      multiply_on_gpu(
          of_gradient({.a = {}, .b = {}, .y = a_.dweight.data, .m = vocabulary_, .k = 0}));
    }
    add_up_rows({.nats = a_.nats.data,
                 .targets = a_.targets.as<std::int64_t>(),
                 .right = right_,
                 .rows = all_rows_,
                 .ignore_index = a_.ignore_index},
                a_.loss_sum, a_.count, a_.correct);
  }

 private:
  void run_chunk(std::int64_t begin, std::int64_t rows) const {
    const ProductOperand x{advanced(a_.x.data, a_.x.dtype, begin * a_.x.stride(0)), a_.x.stride(0),
                           1};
    const ProductOperand weight{a_.weight.data, a_.weight.stride(0), 1};
    const ProductOperand weight_transposed{a_.weight.data, 1, a_.weight.stride(0)};
    multiply_on_gpu({.a = x,
                     .b = weight_transposed,
                     .y = a_.logits.data,
                     .y_row_step = vocabulary_,
                     .m = rows,
                     .n = vocabulary_,
                     .k = dimension_,
                     .operands = dtype_of<T>,
                     .result = dtype_of<Sum>});
    const FinishRow<T> finish{
        a_.logits.as<Sum>(),
        dlogits_,
        a_.targets.as<std::int64_t>(),
        a_.nats.as<Sum>(),
        right_,
        index_check(IndexUser::linear_cross_entropy, a_.targets, vocabulary_, a_.ignore_index),
        begin,
        a_.ignore_index};
    for_each_row_on_gpu<Sum>(rows, vocabulary_, {a_.logits}, finish);
    if (a_.dx.present()) {
      multiply_on_gpu(of_gradient({.a = {dlogits_, vocabulary_, 1},
                                   .b = weight,
                                   .y = advanced(a_.dx.data, a_.dx.dtype, begin * dimension_),
                                   .m = rows,
                                   .k = vocabulary_}));
    }
    if (a_.dweight.present()) {
      multiply_on_gpu(of_gradient({.a = {dlogits_, 1, vocabulary_},
                                   .b = x,
                                   .y = a_.dweight.data,
                                   .m = vocabulary_,
                                   .k = rows,
                                   .keep = begin == 0 ? 0.0 : 1.0}));
    }
  }

  Product of_gradient(Product p) const {
    p.y_row_step = dimension_;
    p.n = dimension_;
    p.operands = dtype_of<T>;
    p.result = dtype_of<Sum>;
    return p;
  }

  const LinearCrossEntropyForwardArgs& a_;
  std::int64_t all_rows_, vocabulary_, dimension_;
  std::uint8_t* right_;  // one per row
  T* dlogits_ = nullptr;
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
