#include "kernels/linear_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/cross_entropy_totals.h"
#include "kernels/cuda/index_report.h"
#include "kernels/cuda/product_views.h"
#include "kernels/cuda/row_reduce.h"

namespace lookback::kernels {
namespace {

// One block per row of logits: its nats, whether its prediction is right, and its gradient.
template <class T>
struct FinishRow {
  static constexpr int threads = 256;
  using Sum = Accumulator<T>;
  static constexpr std::size_t shared_bytes = threads / device::warp_threads * sizeof(Sum);

  const Sum* logits;  // [rows of the chunk, V]
  T* dlogits;         // may be the logits; null: not wanted
  const std::int64_t* targets;
  Sum* nats;
  std::uint8_t* right;
  IndexCheck check;
  std::int64_t first_row, vocabulary, ignore_index;

  LOOKBACK_DEVICE void operator()() const {
    const auto row = device::block_index();
    const auto given = targets[first_row + row];
    if (given == ignore_index) return ignore(row);
    const auto target = check(given, first_row + row);
    const Sum* x = logits + row * vocabulary;
    auto* scratch = reinterpret_cast<Sum*>(device::shared_memory());
    const Sum target_logit = x[target];
    Sum largest = -INFINITY;
    for (std::int64_t v = device::thread_index(); v < vocabulary; v += threads) {
      largest = device::Larger{}(largest, x[v]);
    }
    largest = device::reduce_block<threads>(largest, scratch, device::Larger{});
    // A prediction is right where nothing before the target is as large and nothing is larger.
    int wrong = target_logit == largest ? 0 : 1;
    Sum sum = 0;
    for (std::int64_t v = device::thread_index(); v < vocabulary; v += threads) {
      sum += device::exp(x[v] - largest);
      if (v < target && x[v] == largest) wrong = 1;
    }
    sum = device::reduce_block<threads>(sum, scratch, device::Plus{});
    const Sum any_wrong =
        device::reduce_block<threads>(static_cast<Sum>(wrong), scratch, device::Plus{});
    if (device::thread_index() == 0) {
      nats[first_row + row] = device::log(sum) + (largest - target_logit);
      right[row + first_row] = any_wrong == 0 ? 1 : 0;
    }
    if (dlogits != nullptr) write_gradient(row, target, largest, sum);
  }

 private:
  LOOKBACK_DEVICE void ignore(std::int64_t row) const {
    if (device::thread_index() == 0) {
      nats[first_row + row] = 0;
      right[first_row + row] = 0;
    }
    if (dlogits == nullptr) return;
    for (std::int64_t v = device::thread_index(); v < vocabulary; v += threads) {
      dlogits[row * vocabulary + v] = T{};
    }
  }

  // Each thread writes over the logits that it alone still reads.
  LOOKBACK_DEVICE void write_gradient(std::int64_t row, std::int64_t target, Sum largest,
                                      Sum sum) const {
    const Sum scale = 1 / sum;
    for (std::int64_t v = device::thread_index(); v < vocabulary; v += threads) {
      const Sum p = device::exp(logits[row * vocabulary + v] - largest) * scale;
      dlogits[row * vocabulary + v] = static_cast<T>(v == target ? p - 1 : p);
    }
  }
};

template <class T>
class Chunks {
 public:
  using Sum = Accumulator<T>;

  explicit Chunks(const LinearCrossEntropyForward& arguments)
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
        vocabulary,
        a.ignore_index};
    device::launch({.blocks = rows, .shared_bytes = finish.shared_bytes}, finish);
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

  const LinearCrossEntropyForward& a;
  std::int64_t all_rows, vocabulary, dimension;
  std::uint8_t* right;  // one per row
  T* dlogits = nullptr;
};

void forward(const LinearCrossEntropyForward& a) {
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) { Chunks<T>(a).run(); });
}

std::size_t workspace_bytes(const LinearCrossEntropyForward& a) {
  return static_cast<std::size_t>(a.x.size(0));
}

const Registration registered{linear_cross_entropy_forward, Backend::cuda, forward,
                              workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
