#include "kernels/power.h"

#include <cmath>

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

void forward(const PowerForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const auto constant = static_cast<Accumulator<T>>(a.constant);
    if (a.exponent.present()) {
      map_elements<T>(
          a.y, [](auto x, auto p) { return std::pow(x, p); }, a.x, a.exponent);
    } else if (a.constant == 2) {
      map_elements<T>(
          a.y, [](auto x) { return x * x; }, a.x);
    } else {
      map_elements<T>(
          a.y, [=](auto x) { return std::pow(x, constant); }, a.x);
    }
  });
}

template <class Sum>
Sum base_slope(Sum x, Sum p) {
  return p == 0 ? Sum(0) : p * std::pow(x, p - 1);
}

template <class Sum>
Sum exponent_slope(Sum x, Sum p) {
  return x == 0 && p >= 0 ? Sum(0) : std::pow(x, p) * std::log(x);
}

void backward(const PowerBackward& a) {
  visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
    const auto p = static_cast<Accumulator<T>>(a.constant);
    const auto base = [](auto dy, auto x, auto q) { return dy * base_slope(x, q); };
    if (a.dx.present() && a.exponent.present()) {
      map_elements<T>(a.dx, base, a.dy, a.x, a.exponent);
    } else if (a.dx.present()) {
      map_elements<T>(
          a.dx, [=](auto dy, auto x) { return base(dy, x, p); }, a.dy, a.x);
    }
    if (a.dexponent.present()) {
      map_elements<T>(
          a.dexponent, [](auto dy, auto x, auto q) { return dy * exponent_slope(x, q); }, a.dy, a.x,
          a.exponent);
    }
  });
}

const Registration forward_registered{power_forward, Backend::cpu, forward};
const Registration backward_registered{power_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
