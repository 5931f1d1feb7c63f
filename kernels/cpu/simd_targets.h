// Which instruction sets the Highway kernels are built for: AVX-512 (HWY_AVX3), AVX2, and plain C++
// for everything older. Each further set would compile every kernel once more.
//
// A Highway kernel begins with
//   #include "kernels/cpu/simd_targets.h"  // before any header of Highway
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/cpu/softmax.cpp"  // its own name
//   #include "hwy/foreach_target.h"
//   #include "hwy/highway.h"
#pragma once

#ifdef HWY_DISABLED_TARGETS
#error "simd_targets.h comes before the first header of Highway"
#endif
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
