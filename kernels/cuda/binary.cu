#include "kernels/binary.h"

#include "kernels/cuda/device/elementwise.h"

namespace lookback::kernels {
namespace {

struct Add {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};

struct Subtract {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a - b;
  }
};

struct Multiply {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a * b;
  }
};

struct Divide {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a / b;
  }
};

// y = function(a, b), in any dtype.
template <class Function, Absorbs absorbed>
void map(const BinaryForwardArgs<absorbed>& a) {
  visit_any(a.y.dtype,
            [&]<class T>(TypeTag<T>) { map_on_gpu<T, T, T>(a.y, Function{}, a.a, a.b); });
}

void divide(const BinaryForwardArgs<Absorbs::nothing>& a) {
  map_floating_on_gpu(a.y, Divide{}, a.a, a.b);
}

template <class Sum>
struct Affine {
  Sum scale, shift;
  LOOKBACK_DEVICE Sum operator()(Sum x) const { return scale * x + shift; }
};

void affine(const AffineForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    const Affine<Sum> function{static_cast<Sum>(a.scale), static_cast<Sum>(a.shift)};
    map_on_gpu<T, T>(a.y, function, a.x);
  });
}

struct Power {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x, T p) const {
    return device::pow(x, p);
  }
};
struct Square {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x * x;
  }
};
template <class Sum>
struct ConstantPower {
  Sum p;
  LOOKBACK_DEVICE Sum operator()(Sum x) const { return device::pow(x, p); }
};

struct BaseSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x, T p) const {
    return dy * (p == 0 ? T(0) : p * device::pow(x, p - 1));
  }
};
template <class Sum>
struct ConstantSlope {
  Sum p;
  LOOKBACK_DEVICE Sum operator()(Sum dy, Sum x) const { return BaseSlope{}(dy, x, p); }
};
struct ExponentSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x, T p) const {
    return dy * (x == 0 && p >= 0 ? T(0) : device::pow(x, p) * device::log(x));
  }
};
struct BothSlopes {
  template <class T>
  LOOKBACK_DEVICE Results<T, 2> operator()(T dy, T x, T p) const {
    return {BaseSlope{}(dy, x, p), ExponentSlope{}(dy, x, p)};
  }
};

void power(const PowerForwardArgs& a) {
  if (a.exponent.present()) {
    map_floating_on_gpu(a.y, Power{}, a.x, a.exponent);
  } else if (a.constant == 2) {
    map_floating_on_gpu(a.y, Square{}, a.x);
  } else {
    visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
      using Sum = Accumulator<T>;
      map_on_gpu<T, T>(a.y, ConstantPower<Sum>{static_cast<Sum>(a.constant)}, a.x);
    });
  }
}

void power_gradient(const PowerBackwardArgs& a) {
  if (!a.exponent.present()) {
    if (!a.dx.present()) return;
    visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
      using Sum = Accumulator<T>;
      map_on_gpu<T, T, T>(a.dx, ConstantSlope<Sum>{static_cast<Sum>(a.constant)}, a.dy, a.x);
    });
  } else if (a.dx.present() && a.dexponent.present()) {
    map_floating_on_gpu(std::array{a.dx, a.dexponent}, BothSlopes{}, a.dy, a.x, a.exponent);
  } else if (a.dx.present()) {
    map_floating_on_gpu(a.dx, BaseSlope{}, a.dy, a.x, a.exponent);
  } else if (a.dexponent.present()) {
    map_floating_on_gpu(a.dexponent, ExponentSlope{}, a.dy, a.x, a.exponent);
  }
}

const Registration add_registered{add_forward, Backend::cuda, map<Add>};
const Registration subtract_registered{subtract_forward, Backend::cuda, map<Subtract>};
const Registration multiply_registered{multiply_forward, Backend::cuda, map<Multiply>};
const Registration divide_registered{divide_forward, Backend::cuda, divide};
const Registration affine_registered{affine_forward, Backend::cuda, affine};
const Registration power_registered{power_forward, Backend::cuda, power};
const Registration power_gradient_registered{power_backward, Backend::cuda, power_gradient};

}  // namespace
}  // namespace lookback::kernels
