// warpgroup.h on the host: block_products.h says what is found out there.
#pragma once

#include "kernels/cuda/device/tiles.h"
#include "kernels/cuda/emulated/block_products.h"
#include "runtime/scoped_value.h"

#define LOOKBACK_KEEP_LOOP

namespace lookback::device {
namespace emulated {

// Whether the emulated GPU has warpgroups, for its own lifetime. Without one: where the environment
// has LOOKBACK_EMULATED_GPU=sm_90a.
class WithWarpgroups {
 public:
  enum class Are { there, missing };
  explicit WithWarpgroups(Are are);

 private:
  ScopedValue<Are> are_;
};

inline void multiply(float* c, const ProductRequest& request, const std::uint32_t (*a)[4]) {
  const std::uint32_t nothing[4] = {};
  const auto* registers = exchange(a == nullptr ? nothing : *a, sizeof(nothing));
  products_of_block().multiply(thread_index(), c, request, a == nullptr ? nullptr : registers);
}

}  // namespace emulated

inline constexpr bool image_has_warpgroups = true, image_has_warps = true;

[[noreturn]] void stop_kernel();

inline std::byte* swizzled_memory() { return shared_memory(); }
inline std::uint32_t shared_window_address(const void* pointer) {
  return emulated::products_of_block().address_of(pointer);
}
inline void fence_proxy_async() { emulated::products_of_block().publish(thread_index()); }

template <Major major, int tiles>
void wgmma_ss(float (&c)[tiles][4], std::uint64_t a, std::uint64_t b) {
  emulated::multiply(c[0], {8 * tiles, a, b, major}, nullptr);
}
template <Major major, int tiles>
void wgmma_rs(float (&c)[tiles][4], const std::uint32_t (&a)[4], std::uint64_t b) {
  emulated::multiply(c[0], {8 * tiles, 0, b, major}, &a);
}
template <int tiles>
void wgmma_fence(float (&)[tiles][4]) {
  emulated::products_of_block().order(thread_index());
}
template <int tiles, int steps>
void wgmma_fence(float (&c)[tiles][4], std::uint32_t (&)[steps][4]) {
  wgmma_fence(c);
}
inline void wgmma_commit() { emulated::products_of_block().commit(thread_index()); }
template <int newest, int tiles>
void wgmma_wait(float (&)[tiles][4]) {
  const int here = 0;
  emulated::exchange(&here, sizeof(here));
  emulated::products_of_block().wait(thread_index(), newest);
}

}  // namespace lookback::device
