#include "kernels/binary.h"

#include <cmath>
#include <functional>

#include "kernels/cpu/strided_loop.h"

namespace lookback::kernels {
namespace {

// y = function(a, b), in any dtype.
template <class Function, Absorbs absorbed>
void map(const BinaryForwardArgs<absorbed>& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) { map_elements<T>(a.y, Function{}, a.a, a.b); });
}

void divide(const BinaryForwardArgs<Absorbs::nothing>& a) {
  visit_floating(a.y.dtype,
                 [&]<class T>(TypeTag<T>) { map_elements<T>(a.y, std::divides<>{}, a.a, a.b); });
}

void affine(const AffineForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const auto scale = static_cast<Accumulator<T>>(a.scale);
    const auto shift = static_cast<Accumulator<T>>(a.shift);
    map_elements<T>(
        a.y, [=](auto x) { return scale * x + shift; }, a.x);
  });
}

void power(const PowerForwardArgs& a) {
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

void power_gradient(const PowerBackwardArgs& a) {
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

const Registration add_registered{add_forward, Backend::cpu, map<std::plus<>>};
const Registration subtract_registered{subtract_forward, Backend::cpu, map<std::minus<>>};
const Registration multiply_registered{multiply_forward, Backend::cpu, map<std::multiplies<>>};
const Registration divide_registered{divide_forward, Backend::cpu, divide};
const Registration affine_registered{affine_forward, Backend::cpu, affine};
const Registration power_registered{power_forward, Backend::cpu, power};
const Registration power_gradient_registered{power_backward, Backend::cpu, power_gradient};

}  // namespace
}  // namespace lookback::kernels
