// warpgroup.h on a GPU of compute capability 9.0, compiled for sm_90a.
#pragma once

#include "kernels/cuda/device/tiles_gpu.h"

#define LOOKBACK_KEEP_LOOP _Pragma("unroll 1")

namespace lookback::device {

// nvcc defines it where the target is sm_90a, whose instructions no newer GPU has.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool image_has_warpgroups = true;
#else
inline constexpr bool image_has_warpgroups = false;
#endif
inline constexpr bool image_has_warps = !image_has_warpgroups;

LOOKBACK_DEVICE void stop_kernel() { __trap(); }

LOOKBACK_DEVICE std::byte* swizzled_memory() {
  extern __shared__ __align__(1024) std::byte swizzled[];
  return swizzled;
}
LOOKBACK_DEVICE std::uint32_t shared_window_address(const void* pointer) {
  return shared_address(pointer);
}

LOOKBACK_DEVICE void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// The compiler does not know that products change registers behind its back: here c may have
// changed, so that nothing is done with it earlier than written, or later.
template <int tiles>
LOOKBACK_DEVICE void pin(float (&c)[tiles][4]) {
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    asm volatile("" : "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])::"memory");
  }
}
template <int tiles>
LOOKBACK_DEVICE void wgmma_fence(float (&c)[tiles][4]) {
  pin(c);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
template <int tiles, int steps>
LOOKBACK_DEVICE void wgmma_fence(float (&c)[tiles][4], std::uint32_t (&a)[steps][4]) {
  LOOKBACK_UNROLL
  for (int k = 0; k < steps; ++k) {
    asm volatile("" : "+r"(a[k][0]), "+r"(a[k][1]), "+r"(a[k][2]), "+r"(a[k][3])::"memory");
  }
  wgmma_fence(c);
}
LOOKBACK_DEVICE void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int newest, int tiles>
LOOKBACK_DEVICE void wgmma_wait(float (&c)[tiles][4]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(newest) : "memory");
  pin(c);
}

// Sixteen registers of sums each.
#define LOOKBACK_SUMS_0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define LOOKBACK_SUMS_1 \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define LOOKBACK_SUMS_2 \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define LOOKBACK_SUMS_3 \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define LOOKBACK_SUMS_4 \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define LOOKBACK_SUMS_5 \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define LOOKBACK_SUMS_6 \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define LOOKBACK_SUMS_7 \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define LOOKBACK_TILE(n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define LOOKBACK_TILES_4(n) \
  LOOKBACK_TILE(n), LOOKBACK_TILE(n + 1), LOOKBACK_TILE(n + 2), LOOKBACK_TILE(n + 3)
#define LOOKBACK_TILES_8(n) LOOKBACK_TILES_4(n), LOOKBACK_TILES_4(n + 4)
#define LOOKBACK_TILES_12(n) LOOKBACK_TILES_8(n), LOOKBACK_TILES_4(n + 8)
#define LOOKBACK_TILES_16(n) LOOKBACK_TILES_8(n), LOOKBACK_TILES_8(n + 8)
#define LOOKBACK_TILES_24(n) LOOKBACK_TILES_16(n), LOOKBACK_TILES_8(n + 16)
#define LOOKBACK_TILES_32(n) LOOKBACK_TILES_16(n), LOOKBACK_TILES_16(n + 16)

// wgmma.mma_async for one N: its sums, and the numbers of the operands behind them. The immediates
// are scale-d (add to what is there), the signs of a and b, and whether a and b are MN-major.
#define LOOKBACK_WARPGROUP_PRODUCT(tiles, columns, sums, p0, p1, p2, p3, p4, p5)                  \
  template <Major major>                                                                          \
  LOOKBACK_DEVICE void wgmma_ss(float(&c)[tiles][4], std::uint64_t a, std::uint64_t b) {          \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" columns "k16.f32.bf16.bf16 {" sums "}, " p0  \
                 ", " p1 ", 1, 1, 1, 0, " p2 ";"                                                  \
                 : LOOKBACK_TILES_##tiles(0)                                                      \
                 : "l"(a), "l"(b), "n"(major == Major::mn ? 1 : 0));                              \
  }                                                                                               \
  template <Major major>                                                                          \
  LOOKBACK_DEVICE void wgmma_rs(float(&c)[tiles][4], const std::uint32_t(&a)[4],                  \
                                std::uint64_t b) {                                                \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" columns "k16.f32.bf16.bf16 {" sums "}, {" p0 \
                 ", " p1 ", " p2 ", " p3 "}, " p4 ", 1, 1, 1, " p5 ";"                            \
                 : LOOKBACK_TILES_##tiles(0)                                                      \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                            \
                   "n"(major == Major::mn ? 1 : 0));                                              \
  }

LOOKBACK_WARPGROUP_PRODUCT(4, "32", LOOKBACK_SUMS_0, "%16", "%17", "%18", "%19", "%20", "%21")
LOOKBACK_WARPGROUP_PRODUCT(8, "64", LOOKBACK_SUMS_0 ", " LOOKBACK_SUMS_1, "%32", "%33", "%34",
                           "%35", "%36", "%37")
LOOKBACK_WARPGROUP_PRODUCT(12, "96", LOOKBACK_SUMS_0 ", " LOOKBACK_SUMS_1 ", " LOOKBACK_SUMS_2,
                           "%48", "%49", "%50", "%51", "%52", "%53")
LOOKBACK_WARPGROUP_PRODUCT(16, "128",
                           LOOKBACK_SUMS_0 ", " LOOKBACK_SUMS_1 ", " LOOKBACK_SUMS_2
                                           ", " LOOKBACK_SUMS_3,
                           "%64", "%65", "%66", "%67", "%68", "%69")
LOOKBACK_WARPGROUP_PRODUCT(24, "192",
                           LOOKBACK_SUMS_0 ", " LOOKBACK_SUMS_1 ", " LOOKBACK_SUMS_2
                                           ", " LOOKBACK_SUMS_3 ", " LOOKBACK_SUMS_4
                                           ", " LOOKBACK_SUMS_5,
                           "%96", "%97", "%98", "%99", "%100", "%101")
LOOKBACK_WARPGROUP_PRODUCT(32, "256",
                           LOOKBACK_SUMS_0 ", " LOOKBACK_SUMS_1 ", " LOOKBACK_SUMS_2
                                           ", " LOOKBACK_SUMS_3 ", " LOOKBACK_SUMS_4
                                           ", " LOOKBACK_SUMS_5 ", " LOOKBACK_SUMS_6
                                           ", " LOOKBACK_SUMS_7,
                           "%128", "%129", "%130", "%131", "%132", "%133")

#undef LOOKBACK_WARPGROUP_PRODUCT
#undef LOOKBACK_TILES_32
#undef LOOKBACK_TILES_24
#undef LOOKBACK_TILES_16
#undef LOOKBACK_TILES_12
#undef LOOKBACK_TILES_8
#undef LOOKBACK_TILES_4
#undef LOOKBACK_TILE
#undef LOOKBACK_SUMS_0
#undef LOOKBACK_SUMS_1
#undef LOOKBACK_SUMS_2
#undef LOOKBACK_SUMS_3
#undef LOOKBACK_SUMS_4
#undef LOOKBACK_SUMS_5
#undef LOOKBACK_SUMS_6
#undef LOOKBACK_SUMS_7

}  // namespace lookback::device
