// Matrix products where there is no cuBLAS: written from the formula of products.h.
#include "kernels/cuda/products.h"

#include <type_traits>

#include "kernels/cuda/emulated/fenced_block.h"

namespace lookback::kernels {
namespace {

template <class Operand, class Result>
void multiply(const Product& p) {
  using Sum = Accumulator<Operand>;
  const auto* a = static_cast<const Operand*>(p.a.data);
  const auto* b = static_cast<const Operand*>(p.b.data);
  auto* y = static_cast<Result*>(p.y);
  for (std::int64_t i = 0; i < p.batch; ++i) {
    for (std::int64_t row = 0; row < p.m; ++row) {
      for (std::int64_t column = 0; column < p.n; ++column) {
        Sum sum = 0;
        for (std::int64_t k = 0; k < p.k; ++k) {
          sum +=
              static_cast<Sum>(a[i * p.a.batch_step + row * p.a.row_step + k * p.a.column_step]) *
              static_cast<Sum>(b[i * p.b.batch_step + k * p.b.row_step + column * p.b.column_step]);
        }
        auto& target = y[i * p.y_batch_step + row * p.y_row_step + column];
        sum *= static_cast<Sum>(p.alpha);
        if (p.keep != 0) sum += static_cast<Sum>(p.keep) * static_cast<Sum>(target);
        target = static_cast<Result>(sum);
      }
    }
  }
}

}  // namespace

void multiply_on_gpu(const Product& product) {
  const device::emulated::OnDevice on_device;
  visit_floating(product.operands, [&]<class Operand>(TypeTag<Operand>) {
    if (product.result == product.operands) {
      multiply<Operand, Operand>(product);
    } else {
      multiply<Operand, float>(product);
    }
  });
}

}  // namespace lookback::kernels
