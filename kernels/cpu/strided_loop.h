// Loops over the elements of strided views, for elementwise kernels.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/core/loop_nest.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// The loop over a nest, in chunks that run at the same time.
template <std::size_t count>
class StridedLoop : private LoopNest<count> {
 public:
  using LoopNest<count>::LoopNest;

  // body(offsets, length, steps): one stretch of the innermost dimension, in elements. Stretches
  // are cut where the chunks of the parallel loop end.
  template <class Body>
  void run(const Body& body) const {
    const std::int64_t row = sizes[-1];
    const std::int64_t total = sizes.numel();
    std::array<std::int64_t, count> steps;
    for (std::size_t v = 0; v < count; ++v) steps[v] = strides[v][-1];
    parallel_for(total, chunk_elements, [&](std::int64_t begin, std::int64_t end) {
      Position position = position_of(begin);
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t length = std::min(end - at, row - position.index[-1]);
        body(position.offsets, length, steps);
        at += length;
        advance(position, length);
      }
    });
  }

 private:
  using LoopNest<count>::sizes;
  using LoopNest<count>::strides;
  static constexpr std::int64_t chunk_elements = 1 << 15;

  struct Position {
    Shape index;
    std::array<std::int64_t, count> offsets{};
  };

  Position position_of(std::int64_t flat) const {
    Position result{sizes};
    for (int dim = sizes.rank() - 1; dim >= 0; --dim) {
      result.index[dim] = flat % sizes[dim];
      flat /= sizes[dim];
      for (std::size_t v = 0; v < count; ++v) {
        result.offsets[v] += result.index[dim] * strides[v][dim];
      }
    }
    return result;
  }

  // To the end of a stretch, and from the end of a row to the start of the next.
  void advance(Position& position, std::int64_t length) const {
    int dim = sizes.rank() - 1;
    position.index[dim] += length;
    for (std::size_t v = 0; v < count; ++v) position.offsets[v] += length * strides[v][dim];
    for (; dim > 0 && position.index[dim] == sizes[dim]; --dim) {
      position.index[dim] = 0;
      ++position.index[dim - 1];
      for (std::size_t v = 0; v < count; ++v) {
        position.offsets[v] += strides[v][dim - 1] - sizes[dim] * strides[v][dim];
      }
    }
  }
};

namespace detail {

// One stretch with unit steps, but for input `broadcast` (-1: none), which is one number. Known
// when compiling, so that the loop can use vector instructions.
template <int broadcast, class T, class Function, std::size_t... I>
void map_stretch(T* y, std::int64_t length, const Function& function,
                 const std::array<const T*, sizeof...(I)>& x, std::index_sequence<I...>) {
  using Sum = Accumulator<T>;
  const std::array<Sum, sizeof...(I)> first{static_cast<Sum>(*x[I])...};
  const auto value = [&]<std::size_t input>(std::integral_constant<std::size_t, input>,
                                            std::int64_t i) {
    if constexpr (static_cast<int>(input) == broadcast) {
      return first[input];
    } else {
      return static_cast<Sum>(x[input][i]);
    }
  };
  for (std::int64_t i = 0; i < length; ++i) {
    y[i] = static_cast<T>(function(value(std::integral_constant<std::size_t, I>{}, i)...));
  }
}

// Runs the first of the stretches above that fits the steps; false when none does.
template <class T, class Function, std::size_t... I>
bool map_unit_stretch(T* y, std::int64_t length, const Function& function,
                      const std::array<const T*, sizeof...(I)>& x,
                      const std::array<std::int64_t, sizeof...(I) + 1>& steps,
                      std::index_sequence<I...> all) {
  if (steps[0] != 1) return false;
  const auto fits = [&](int broadcast) {
    return ((steps[I + 1] == (static_cast<int>(I) == broadcast ? 0 : 1)) && ...);
  };
  const auto run = [&]<int broadcast>(std::integral_constant<int, broadcast>) {
    if (!fits(broadcast)) return false;
    map_stretch<broadcast>(y, length, function, x, all);
    return true;
  };
  if (run(std::integral_constant<int, -1>{})) return true;
  if constexpr (sizeof...(I) > 1) {
    return (run(std::integral_constant<int, static_cast<int>(I)>{}) || ...);
  }
  return false;
}

}  // namespace detail

// y[i] = function(x[i]...) in the accumulator type; inputs broadcast to y.
template <class T, class Function, std::same_as<In>... Inputs>
void map_elements(const Out& y, const Function& function, const Inputs&... x) {
  constexpr std::size_t inputs = sizeof...(x);
  constexpr std::make_index_sequence<inputs> all;
  const StridedLoop<inputs + 1> loop(y.sizes, {y.strides, broadcast_strides(x, y.sizes)...});
  const std::array<const T*, inputs> sources{x.template as<T>()...};
  using Sum = Accumulator<T>;
  loop.run([&](const auto& offsets, std::int64_t length, const auto& steps) {
    auto* target = y.as<T>() + offsets[0];
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const std::array<const T*, inputs> at{sources[I] + offsets[I + 1]...};
      if (detail::map_unit_stretch(target, length, function, at, steps, all)) return;
      for (std::int64_t i = 0; i < length; ++i) {
        target[i * steps[0]] =
            static_cast<T>(function(static_cast<Sum>(at[I][i * steps[I + 1]])...));
      }
    }
    (all);
  });
}

}  // namespace lookback::kernels
