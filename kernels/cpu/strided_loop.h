// Loops over the elements of strided views, for elementwise kernels.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/operand.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// Steps of one operand for each dimension of the result: 0 where it is broadcast.
inline Strides broadcast_strides(const Operand& operand, const Shape& result) {
  auto strides = Shape::filled(result.rank(), 0);
  const int missing = result.rank() - operand.rank();
  for (int dim = 0; dim < operand.rank(); ++dim) {
    const bool broadcast = operand.size(dim) == 1 && result[missing + dim] != 1;
    strides[missing + dim] = broadcast ? 0 : operand.stride(dim);
  }
  return strides;
}

// A loop nest over `count` views of one shape: neighbouring dimensions that every view steps through
// evenly are merged, so that a contiguous operation is one long row.
template <std::size_t count>
class StridedLoop {
 public:
  StridedLoop(const Shape& shape, const std::array<Strides, count>& view_strides) {
    for (int dim = 0; dim < shape.rank(); ++dim) {
      if (shape[dim] == 1) continue;
      append(shape[dim], view_strides, dim);
    }
    if (sizes.rank() == 0) {
      sizes.push_back(shape.numel());
      for (auto& view : strides) view.push_back(1);
    }
  }

  // body(offsets, length, steps): one stretch of the innermost dimension, in elements. Stretches
  // are cut where the chunks of the parallel loop end.
  template <class Body>
  void run(const Body& body) const {
    const std::int64_t row = sizes[-1];
    const std::int64_t total = sizes.numel();
    std::array<std::int64_t, count> steps;
    for (std::size_t v = 0; v < count; ++v) steps[v] = strides[v][-1];
    parallel_for(total, chunk_elements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t length = std::min(end - at, row - at % row);
        body(offsets_of(at), length, steps);
        at += length;
      }
    });
  }

 private:
  static constexpr std::int64_t chunk_elements = 1 << 15;

  void append(std::int64_t size, const std::array<Strides, count>& view_strides, int dim) {
    bool merges = sizes.rank() > 0;
    for (std::size_t v = 0; v < count && merges; ++v) {
      merges = strides[v][-1] == view_strides[v][dim] * size;
    }
    if (merges) {
      sizes[-1] *= size;
    } else {
      sizes.push_back(size);
    }
    for (std::size_t v = 0; v < count; ++v) {
      if (merges) {
        strides[v][-1] = view_strides[v][dim];
      } else {
        strides[v].push_back(view_strides[v][dim]);
      }
    }
  }

  std::array<std::int64_t, count> offsets_of(std::int64_t index) const {
    std::array<std::int64_t, count> offsets{};
    for (int dim = sizes.rank() - 1; dim >= 0; --dim) {
      const std::int64_t coordinate = index % sizes[dim];
      index /= sizes[dim];
      for (std::size_t v = 0; v < count; ++v) offsets[v] += coordinate * strides[v][dim];
    }
    return offsets;
  }

  Shape sizes;
  std::array<Strides, count> strides;
};

// y[i] = function(x[i]...) in the accumulator type; inputs broadcast to y.
template <class T, class Function, std::same_as<In>... Inputs>
void map_elements(const Out& y, const Function& function, const Inputs&... x) {
  constexpr std::size_t inputs = sizeof...(x);
  const StridedLoop<inputs + 1> loop(y.sizes, {y.strides, broadcast_strides(x, y.sizes)...});
  const std::array<const T*, inputs> sources{x.template as<T>()...};
  using Sum = Accumulator<T>;
  loop.run([&](const auto& offsets, std::int64_t length, const auto& steps) {
    auto* target = y.as<T>() + offsets[0];
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const std::array<const T*, inputs> at{sources[I] + offsets[I + 1]...};
      const bool unit = steps[0] == 1 && ((steps[I + 1] == 1) && ...);
      if (unit) {
        for (std::int64_t i = 0; i < length; ++i) target[i] = static_cast<T>(function(static_cast<Sum>(at[I][i])...));
      } else {
        for (std::int64_t i = 0; i < length; ++i) {
          target[i * steps[0]] = static_cast<T>(function(static_cast<Sum>(at[I][i * steps[I + 1]])...));
        }
      }
    }(std::make_index_sequence<inputs>{});
  });
}

}  // namespace lookback::kernels
