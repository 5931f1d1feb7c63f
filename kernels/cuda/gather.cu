#include "kernels/gather.h"

#include "kernels/core/dim_blocks.h"
#include "kernels/cuda/pick_rows.h"

namespace lookback::kernels {
namespace {

// An element of a view around its dimension.
struct Place {
  std::int64_t outer, position, inner;
  LOOKBACK_DEVICE Place(std::int64_t at, const DimBlocks& blocks) {
    const auto row = at / blocks.inner;
    inner = at - row * blocks.inner;
    outer = row / blocks.size;
    position = row - outer * blocks.size;
  }
};

template <class T>
struct Forward {
  static constexpr int threads = 256;
  const T* x;
  const std::int64_t* index;
  T* y;
  IndexCheck check;
  std::int64_t count;
  DimBlocks from, to;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = device::block_index() * threads + device::thread_index();
    if (at >= count) return;
    const Place place(at, to);
    const auto picked = check(index[at], at);
    if (from.size == 0) {
      y[at] = T{};
    } else {
      y[at] = x[from.offset(place.outer, picked, place.inner)];
    }
  }
};

// A thread per element of dx looks for those that picked it: where they are few.
template <class T>
struct Search {
  static constexpr int threads = 256;
  using Sum = Accumulator<T>;
  const T* dy;
  const std::int64_t* index;
  Sum* dx;
  std::int64_t count;
  DimBlocks from, to;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = device::block_index() * threads + device::thread_index();
    if (at >= count) return;
    const Place place(at, to);
    Sum sum = 0;
    for (std::int64_t j = 0; j < from.size; ++j) {
      const auto other = from.offset(place.outer, j, place.inner);
      if (index[other] == place.position) sum += static_cast<Sum>(dy[other]);
    }
    dx[at] = sum;
  }
};

void forward(const GatherForwardArgs& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const Forward<T> kernel{
        a.x.as<T>(),          a.index.as<std::int64_t>(),
        a.y.as<T>(),          index_check(IndexUser::gather, a.index, a.x.size(a.dim)),
        a.y.numel(),          DimBlocks(a.x, a.dim),
        DimBlocks(a.y, a.dim)};
    device::launch({.blocks = device::blocks_for(kernel.count, kernel.threads)}, kernel);
  });
}

// As many as are worth looking through, and more elements than the sorted keys can number.
bool is_searched(const GatherBackwardArgs& a) {
  constexpr std::int64_t few = 4, most = std::int64_t{1} << 32;
  return a.dy.size(a.dim) <= few || a.dy.numel() >= most || a.dx.numel() >= most;
}

SummedElements elements_of(const GatherBackwardArgs& a) {
  const DimBlocks from(a.dy, a.dim), to(a.dx, a.dim);
  return {.x = a.dy.data,
          .index = a.index.as<std::int64_t>(),
          .y = a.dx,
          .outer = to.outer,
          .picked = from.size,
          .limit = to.size,
          .inner = to.inner,
          .dtype = a.dy.dtype,
          .workspace = a.workspace.data};
}

void backward(const GatherBackwardArgs& a) {
  if (!is_searched(a)) {
    sum_elements(elements_of(a));
    return;
  }
  visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
    const Search<T> kernel{a.dy.as<T>(), a.index.as<std::int64_t>(), a.dx.as<Accumulator<T>>(),
                           a.dx.numel(), DimBlocks(a.dy, a.dim),     DimBlocks(a.dx, a.dim)};
    device::launch({.blocks = device::blocks_for(kernel.count, kernel.threads)}, kernel);
  });
}

std::size_t workspace_bytes(const GatherBackwardArgs& a) {
  return is_searched(a) ? 0 : summed_elements_workspace_bytes(elements_of(a));
}

const Registration forward_registered{gather_forward, Backend::cuda, forward};
const Registration backward_registered{gather_backward, Backend::cuda, backward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
