// Which instruction set the CPU kernels run on. Chosen once, by what the processor and the
// operating system support and by the processor's family, never by timing: the same machine always
// gets the same bits. The environment variable LOOKBACK_ISA=baseline|avx2|avx512|avx512bf16
// overrides the choice and also holds the Highway kernels to that set.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

// baseline: any x86-64 (SSE2). avx2: AVX2 and FMA. avx512: AVX-512 F, VL, DQ and BW. avx512bf16:
// those, and dot products of pairs in bf16.
enum class Isa : std::uint8_t { baseline, avx2, avx512, avx512bf16 };
inline constexpr std::array every_isa{Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512bf16};

std::string_view name_of(Isa isa);
// Whether this processor and operating system can run it.
bool supports(Isa isa);

// The set the matrix products run on. Throws Error when LOOKBACK_ISA names no known or no supported
// set.
Isa product_isa();

// Whether products in bf16 multiply numbers as they are, two at a time, and not widened to f32.
bool multiplies_pairs();

// Another supported set for a while, on which a check holds the kernels against others. No thread
// may run a kernel while it begins or ends.
class HeldIsa {
 public:
  explicit HeldIsa(Isa isa);
  ~HeldIsa();
  HeldIsa(const HeldIsa&) = delete;
  HeldIsa& operator=(const HeldIsa&) = delete;
};

// For run records, e.g. "avx2 (vectors: AVX3_DL)": the products' set, then the one that the Highway
// kernels picked. Two runs with the same text, build and inputs give the same bits.
std::string isa_description();

// The products in f64 of the chosen set.
const EigenKernels& chosen_eigen_kernels();
// Those of any supported set, for tests.
EigenKernels eigen_kernels_of(Isa isa);

}  // namespace lookback::kernels
