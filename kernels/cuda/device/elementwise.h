// Elementwise kernels on a GPU: y = function(x, ..) over views of any strides, numbers in the
// accumulator dtype of y's. For .cu files.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "kernels/core/loop_nest.h"
#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/view_steps.h"

namespace lookback::kernels {

// What a function returns that has several results.
template <class T, int count>
struct Results {
  T value[count];
};

// An element of any dtype as a number.
template <class To, class From>
LOOKBACK_DEVICE To number_of(From x) {
  if constexpr (std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}

// What is done with the elements of one place: any number of inputs, of dtypes of their own, any
// number of results. Offsets are those of the results, then of the inputs.
template <class Y, int results, class Function, class... X>
struct MapOperands {
  static constexpr int inputs = sizeof...(X);
  static constexpr int views = results + inputs;

  Y* y[results];
  const void* x[inputs == 0 ? 1 : inputs];
  Function function;

  LOOKBACK_DEVICE void element(const std::int64_t (&offsets)[views]) const {
    element(offsets, std::index_sequence_for<X...>{});
  }
  // `count` of them side by side in every view, but for inputs that are one number.
  template <int count>
  LOOKBACK_DEVICE void pack(const std::int64_t (&offsets)[views],
                            const bool (&is_number)[views]) const {
    pack<count>(offsets, is_number, std::index_sequence_for<X...>{});
  }

 private:
  template <std::size_t... I>
  LOOKBACK_DEVICE void element(const std::int64_t (&offsets)[views],
                               std::index_sequence<I...>) const {
    Y to[results];
    compute(to, static_cast<const X*>(x[I])[offsets[results + I]]...);
    LOOKBACK_UNROLL
    for (int r = 0; r < results; ++r) y[r][offsets[r]] = to[r];
  }
  template <int count, std::size_t... I>
  LOOKBACK_DEVICE void pack(const std::int64_t (&offsets)[views], const bool (&is_number)[views],
                            std::index_sequence<I...>) const {
    map_packs<count>(offsets, read<X, count>(static_cast<const X*>(x[I]) + offsets[results + I],
                                             is_number[results + I])...);
  }
  template <class T, int count>
  LOOKBACK_DEVICE static Pack<T, count> read(const T* from, bool is_number) {
    if (!is_number) return read_pack<count>(from);
    Pack<T, count> all;
    LOOKBACK_UNROLL
    for (int i = 0; i < count; ++i) all.element[i] = *from;
    return all;
  }
  template <int count, class... Packs>
  LOOKBACK_DEVICE void map_packs(const std::int64_t (&offsets)[views], const Packs&... from) const {
    Pack<Y, count> to[results];
    LOOKBACK_UNROLL
    for (int i = 0; i < count; ++i) {
      Y of_element[results];
      compute(of_element, from.element[i]...);
      LOOKBACK_UNROLL
      for (int r = 0; r < results; ++r) to[r].element[i] = of_element[r];
    }
    LOOKBACK_UNROLL
    for (int r = 0; r < results; ++r) write_pack(y[r] + offsets[r], to[r]);
  }
  LOOKBACK_DEVICE void compute(Y (&to)[results], X... from) const {
    const auto value = function(number_of<Accumulator<Y>>(from)...);
    if constexpr (results == 1) {
      to[0] = static_cast<Y>(value);
    } else {
      LOOKBACK_UNROLL
      for (int r = 0; r < results; ++r) to[r] = static_cast<Y>(value.value[r]);
    }
  }
};

// Any strides: a thread per element.
template <class Operands>
struct MapStrided {
  static constexpr int threads = 256;

  Operands operands;
  std::int64_t count;
  ViewSteps<Operands::views> nest;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= count) return;
    std::int64_t offsets[Operands::views] = {};
    nest.add_offsets(index, nest.rank, offsets);
    operands.element(offsets);
  }
};

// Rows (the last dimension) that lie densely in the results, and in every input densely or as one
// number: a thread per pack, the last one of a row element by element.
template <class Operands, int per_thread>
struct MapPacks {
  static constexpr int threads = 256;

  Operands operands;
  std::int64_t packs, packs_per_row;
  ViewSteps<Operands::views> nest;
  bool is_number[Operands::views];

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= packs) return;
    std::int64_t offsets[Operands::views] = {};
    std::int64_t first = index * per_thread;
    if (nest.rank > 1) {
      const auto row = index / packs_per_row;
      first = (index - row * packs_per_row) * per_thread;
      nest.add_offsets(row, nest.rank - 1, offsets);
    }
    const auto length = nest.sizes[nest.rank - 1];
    LOOKBACK_UNROLL
    for (int v = 0; v < Operands::views; ++v) offsets[v] += is_number[v] ? 0 : first;
    if (first + per_thread <= length) {
      operands.template pack<per_thread>(offsets, is_number);
      return;
    }
    for (auto i = first; i < length; ++i) {
      operands.element(offsets);
      LOOKBACK_UNROLL
      for (int v = 0; v < Operands::views; ++v) offsets[v] += is_number[v] ? 0 : 1;
    }
  }
};

// Whether rows of the nest can be read and written in packs, and where an input is one number. `y`
// counts the results, which come first.
template <class... T, int views>
bool rows_are_packs(const ViewSteps<views>& nest, int results, int per_thread,
                    const std::array<const void*, sizeof...(T)>& data, bool (&is_number)[views]) {
  const std::size_t element_bytes[] = {sizeof(T)...};
  const int last = nest.rank - 1;
  if (nest.sizes[last] < per_thread) return false;
  for (int v = 0; v < views; ++v) {
    const auto bytes = element_bytes[v];
    is_number[v] = v >= results && nest.steps[v][last] == 0;
    if (is_number[v]) continue;
    if (nest.steps[v][last] != 1) return false;
    const auto alignment = pack_alignment(bytes, per_thread);
    if (reinterpret_cast<std::uintptr_t>(data[static_cast<std::size_t>(v)]) % alignment != 0) {
      return false;
    }
    for (int dim = 0; dim < last; ++dim) {
      if (nest.steps[v][dim] * static_cast<std::int64_t>(bytes) %
              static_cast<std::int64_t>(alignment) !=
          0) {
        return false;
      }
    }
  }
  return true;
}

namespace detail {

template <class Y, std::size_t>
using ResultType = Y;

template <class Y, class... X, class Function, std::size_t... R, class... Views>
void map_several(const std::array<Out, sizeof...(R)>& y, const Function& function,
                 std::index_sequence<R...>, const Views&... x) {
  static_assert(sizeof...(X) == sizeof...(Views), "a type for each input");
  constexpr int results = sizeof...(R), views = results + sizeof...(X);
  constexpr int per_thread = 16 / sizeof(Y) < 4 ? 4 : 16 / sizeof(Y);
  using Operands = MapOperands<Y, results, Function, X...>;
  const auto& sizes = y[0].sizes;
  const auto count = sizes.numel();
  const LoopNest<views> loops(sizes, {y[R].strides..., broadcast_strides(x, sizes)...});
  ViewSteps<views> nest{.rank = loops.sizes.rank()};
  for (int dim = 0; dim < nest.rank; ++dim) {
    nest.sizes[dim] = loops.sizes[dim];
    for (int v = 0; v < views; ++v) {
      nest.steps[v][dim] = loops.strides[static_cast<std::size_t>(v)][dim];
    }
  }
  const Operands operands{{y[R].template as<Y>()...}, {x.data...}, function};
  MapPacks<Operands, per_thread> packs{operands, 0, 0, nest, {}};
  if (rows_are_packs<ResultType<Y, R>..., X...>(nest, results, per_thread,
                                                {y[R].data..., x.data...}, packs.is_number)) {
    const auto length = nest.sizes[nest.rank - 1];
    packs.packs_per_row = device::blocks_for(length, per_thread);
    packs.packs = count / length * packs.packs_per_row;
    device::launch({.blocks = device::blocks_for(packs.packs, packs.threads)}, packs);
    return;
  }
  const MapStrided<Operands> kernel{operands, count, nest};
  device::launch({.blocks = device::blocks_for(count, kernel.threads)}, kernel);
}

template <class View, class T>
using TypeFor = T;

}  // namespace detail

// y[i..] = function(x[i..]...): the inputs broadcast to y.
template <class Y, class... X, class Function, class... Views>
void map_on_gpu(const Out& y, const Function& function, const Views&... x) {
  detail::map_several<Y, X...>(std::array<Out, 1>{y}, function, std::make_index_sequence<1>{},
                               x...);
}

// Several results of one shape and dtype Y, the inputs read once for all: function returns Results.
template <class Y, class... X, std::size_t results, class Function, class... Views>
void map_on_gpu(const std::array<Out, results>& y, const Function& function, const Views&... x) {
  detail::map_several<Y, X...>(y, function, std::make_index_sequence<results>{}, x...);
}

// The same, all of one floating dtype. `function` takes numbers of any one type.
template <class Function, class... Views>
void map_floating_on_gpu(const Out& y, const Function& function, const Views&... x) {
  visit_floating(y.dtype, [&]<class T>(TypeTag<T>) {
    map_on_gpu<T, detail::TypeFor<Views, T>...>(y, function, x...);
  });
}

template <std::size_t results, class Function, class... Views>
void map_floating_on_gpu(const std::array<Out, results>& y, const Function& function,
                         const Views&... x) {
  visit_floating(y[0].dtype, [&]<class T>(TypeTag<T>) {
    map_on_gpu<T, detail::TypeFor<Views, T>...>(y, function, x...);
  });
}

}  // namespace lookback::kernels
