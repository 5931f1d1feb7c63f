#include "kernels/cuda/device/plain_product.h"

#include "kernels/cuda/device/device.h"

namespace lookback::kernels {
namespace {

template <class Operand, class Result>
struct PlainProduct {
  static constexpr int threads = 128;
  Product p;

  LOOKBACK_DEVICE void operator()() const {
    using Sum = Accumulator<Operand>;
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= p.batch * p.m * p.n) return;
    const auto column = index % p.n, row = index / p.n % p.m, entry = index / p.n / p.m;
    const auto* a =
        static_cast<const Operand*>(p.a.data) + entry * p.a.batch_step + row * p.a.row_step;
    const auto* b =
        static_cast<const Operand*>(p.b.data) + entry * p.b.batch_step + column * p.b.column_step;
    Sum sum = 0;
    for (std::int64_t k = 0; k < p.k; ++k) {
      sum = device::fma(static_cast<Sum>(a[k * p.a.column_step]),
                        static_cast<Sum>(b[k * p.b.row_step]), sum);
    }
    auto& y = static_cast<Result*>(p.y)[entry * p.y_batch_step + row * p.y_row_step + column];
    sum *= static_cast<Sum>(p.alpha);
    if (p.keep != 0) sum += static_cast<Sum>(p.keep) * static_cast<Sum>(y);
    y = static_cast<Result>(sum);
  }
};

}  // namespace

void plain_product(const Product& p) {
  const auto elements = p.batch * p.m * p.n;
  visit_floating(p.operands, [&]<class Operand>(TypeTag<Operand>) {
    const device::Grid grid{
        .blocks = device::blocks_for(elements, PlainProduct<Operand, float>::threads)};
    if (p.result == p.operands) {
      device::launch(grid, PlainProduct<Operand, Operand>{p});
    } else {
      device::launch(grid, PlainProduct<Operand, float>{p});
    }
  });
}

}  // namespace lookback::kernels
