// Matrix products where there is no cuBLAS: written from the formula of products.h.
#include "kernels/cuda/device/products.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/emulated/fenced_block.h"
#include "kernels/cuda/emulated/queue.h"
#include "runtime/float_products.h"

namespace lookback::kernels {
namespace {

// To the nearest number of 10 bits of mantissa; ties away from zero.
float rounded_to_tf32(float x) {
  constexpr std::uint32_t dropped = (1u << 13) - 1;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::isfinite(x) ? std::bit_cast<float>((bits + (1u << 12)) & ~dropped) : x;
}

// As a factor of a product that sums in Sum.
template <class Sum, class Operand>
Sum factor(Operand x, FloatProducts products) {
  if constexpr (std::is_same_v<Operand, float>) {
    if (products == FloatProducts::tf32) return rounded_to_tf32(x);
  }
  return static_cast<Sum>(x);
}

template <class Operand, class Result>
void multiply(const Product& p, FloatProducts products) {
  using Sum = Accumulator<Operand>;
  const auto* a = static_cast<const Operand*>(p.a.data);
  const auto* b = static_cast<const Operand*>(p.b.data);
  auto* y = static_cast<Result*>(p.y);
  for (std::int64_t i = 0; i < p.batch; ++i) {
    for (std::int64_t row = 0; row < p.m; ++row) {
      for (std::int64_t column = 0; column < p.n; ++column) {
        Sum sum = 0;
        for (std::int64_t k = 0; k < p.k; ++k) {
          const auto x = a[i * p.a.batch_step + row * p.a.row_step + k * p.a.column_step];
          const auto z = b[i * p.b.batch_step + k * p.b.row_step + column * p.b.column_step];
          sum += factor<Sum>(x, products) * factor<Sum>(z, products);
        }
        auto& target = y[i * p.y_batch_step + row * p.y_row_step + column];
        sum *= static_cast<Sum>(p.alpha);
        if (p.keep != 0) sum += static_cast<Sum>(p.keep) * static_cast<Sum>(target);
        target = static_cast<Result>(sum);
      }
    }
  }
}

void run(const Product& product, FloatProducts products) {
  const device::emulated::OnDevice on_device;
  visit_floating(product.operands, [&]<class Operand>(TypeTag<Operand>) {
    if (product.result == product.operands) {
      multiply<Operand, Operand>(product, products);
    } else {
      multiply<Operand, float>(product, products);
    }
  });
}

}  // namespace

void multiply_on_gpu(const Product& product) {
  device::emulated::submit([product, how = float_products()] { run(product, how); });
}

std::string product_library() { return "products one number after the other"; }

}  // namespace lookback::kernels
