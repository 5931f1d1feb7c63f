// Elementwise kernels on a GPU: y = function(x, ..) over views of any strides, numbers in the
// accumulator dtype of y's. For .cu files.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/loop_nest.h"

namespace lookback::kernels {

// So many elements side by side, in accesses of up to 16 bytes.
template <class T, int count>
inline constexpr std::size_t pack_alignment = sizeof(T) * count < 16 ? sizeof(T) * count : 16;
template <class T, int count>
struct alignas(pack_alignment<T, count>) Pack {
  T element[count];
};

// What a thread does with its elements: any number of inputs, of dtypes of their own.
template <class Y, class Function, class... X>
struct MapStep {
  static constexpr std::size_t inputs = sizeof...(X);
  using Sum = Accumulator<Y>;

  Y* y;
  const void* x[inputs == 0 ? 1 : inputs];
  Function function;

  LOOKBACK_DEVICE Y at(const std::int64_t* offsets) const {
    return apply(offsets, std::index_sequence_for<X...>{});
  }

 private:
  template <std::size_t... I>
  LOOKBACK_DEVICE Y apply([[maybe_unused]] const std::int64_t* offsets,
                          std::index_sequence<I...>) const {
    return static_cast<Y>(function(static_cast<Sum>(static_cast<const X*>(x[I])[offsets[I]])...));
  }
};

template <class Y, class Function, class... X>
struct MapStrided {
  static constexpr int threads = 256;
  static constexpr int inputs = sizeof...(X);

  MapStep<Y, Function, X...> step;
  std::int64_t count;
  int rank;
  std::int64_t sizes[Shape::max_rank];
  std::int64_t steps[1 + inputs][Shape::max_rank];  // of y, then of the inputs

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    std::int64_t offsets[1 + inputs] = {};
    auto left = index;
    for (int dim = rank - 1; dim >= 0; --dim) {
      const auto place = left % sizes[dim];
      left /= sizes[dim];
      for (int v = 0; v <= inputs; ++v) offsets[v] += place * steps[v][dim];
    }
    step.y[offsets[0]] = step.at(offsets + 1);
  }
};

// All views dense: each thread reads and writes whole packs, the last one element by element.
template <class Y, class Function, class... X>
struct MapDense {
  static constexpr int threads = 256;
  static constexpr int inputs = sizeof...(X);
  static constexpr int per_thread = 16 / sizeof(Y) < 4 ? 4 : 16 / sizeof(Y);

  MapStep<Y, Function, X...> step;
  std::int64_t count;

  LOOKBACK_DEVICE void operator()() const {
    const auto first = (device::block_index() * threads + device::thread_index()) * per_thread;
    if (first + per_thread <= count) {
      packs(first, std::index_sequence_for<X...>{});
    } else {
      for (auto i = first; i < count; ++i) {
        std::int64_t offsets[inputs + 1];
        for (auto& offset : offsets) offset = i;
        step.y[i] = step.at(offsets);
      }
    }
  }

  // Whether every view begins where packs may.
  bool aligned() const { return fits<Y>(step.y) && inputs_fit(std::index_sequence_for<X...>{}); }

 private:
  template <class T>
  static bool fits(const void* data) {
    return reinterpret_cast<std::uintptr_t>(data) % pack_alignment<T, per_thread> == 0;
  }
  template <std::size_t... I>
  bool inputs_fit(std::index_sequence<I...>) const {
    return (fits<X>(step.x[I]) && ...);
  }
  template <std::size_t... I>
  LOOKBACK_DEVICE void packs(std::int64_t first, std::index_sequence<I...>) const {
    read_and_write(first, *reinterpret_cast<const Pack<X, per_thread>*>(
                              static_cast<const X*>(step.x[I]) + first)...);
  }
  template <class... Packs>
  LOOKBACK_DEVICE void read_and_write(std::int64_t first, const Packs&... x) const {
    using Sum = Accumulator<Y>;
    Pack<Y, per_thread> y;
    LOOKBACK_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      y.element[i] = static_cast<Y>(step.function(static_cast<Sum>(x.element[i])...));
    }
    *reinterpret_cast<Pack<Y, per_thread>*>(step.y + first) = y;
  }
};

// y[i..] = function(x[i..]...): the inputs broadcast to y.
template <class Y, class... X, class Function, class... Views>
void map_on_gpu(const Out& y, const Function& function, const Views&... x) {
  static_assert(sizeof...(X) == sizeof...(Views), "a type for each input");
  constexpr std::size_t views = 1 + sizeof...(X);
  const auto count = y.sizes.numel();
  const LoopNest<views> nest(y.sizes, {y.strides, broadcast_strides(x, y.sizes)...});
  const MapStep<Y, Function, X...> step{y.as<Y>(), {x.data...}, function};
  bool dense = nest.sizes.rank() == 1;
  for (const auto& strides : nest.strides) dense = dense && strides[0] == 1;
  const MapDense<Y, Function, X...> packs{step, count};
  if (dense && packs.aligned()) {
    constexpr auto per_block = packs.threads * packs.per_thread;
    device::launch({.blocks = device::blocks_for(count, per_block)}, packs);
    return;
  }
  MapStrided<Y, Function, X...> kernel{step, count, nest.sizes.rank(), {}, {}};
  for (int dim = 0; dim < kernel.rank; ++dim) {
    kernel.sizes[dim] = nest.sizes[dim];
    for (std::size_t v = 0; v < views; ++v) kernel.steps[v][dim] = nest.strides[v][dim];
  }
  device::launch({.blocks = device::blocks_for(count, kernel.threads)}, kernel);
}

namespace detail {
template <class View, class T>
using TypeFor = T;
}

// The same, all of one floating dtype. `function` takes numbers of any one type.
template <class Function, class... Views>
void map_floating_on_gpu(const Out& y, const Function& function, const Views&... x) {
  visit_floating(y.dtype, [&]<class T>(TypeTag<T>) {
    map_on_gpu<T, detail::TypeFor<Views, T>...>(y, function, x...);
  });
}

}  // namespace lookback::kernels
