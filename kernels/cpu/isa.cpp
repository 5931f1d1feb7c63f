#include "kernels/cpu/isa.h"

#include "kernels/cpu/simd_targets.h"

#include <cpuid.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "runtime/check.h"

namespace lookback::kernels {

namespace baseline {
EigenKernels eigen_kernels();
}
namespace avx2 {
EigenKernels eigen_kernels();
}
namespace avx512 {
EigenKernels eigen_kernels();
}

namespace {

// AMD's processors up to family 25 (Zen 4) have 256-bit multipliers: on Zen 4 Eigen's AVX2 build
// was the faster or an equal one. Elsewhere wider is better.
bool prefers_avx2() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0) return false;
  const bool amd = ebx == signature_AMD_ebx && ecx == signature_AMD_ecx && edx == signature_AMD_edx;
  if (!amd || __get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  const unsigned family = ((eax >> 8) & 0xfU) + ((eax >> 20) & 0xffU);
  return family <= 25;
}

Isa choose_by_family() {
  if (supports(Isa::avx512bf16)) return Isa::avx512bf16;
  if (supports(Isa::avx512) && !prefers_avx2()) return Isa::avx512;
  return supports(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

const char* requested() { return std::getenv("LOOKBACK_ISA"); }

const Isa* known_set(std::string_view name) {
  for (const auto& isa : every_isa) {
    if (name_of(isa) == name) return &isa;
  }
  return nullptr;
}

Isa choose() {
  const char* name = requested();
  if (name == nullptr || *name == '\0') return choose_by_family();
  const Isa* isa = known_set(name);
  if (isa == nullptr) {
    fail("LOOKBACK_ISA", "\"{}\" is no instruction set; known: baseline, avx2, avx512, avx512bf16",
         name);
  }
  if (!supports(*isa)) fail("LOOKBACK_ISA", "this processor cannot run {}", name);
  return *isa;
}

std::int64_t targets_above(Isa isa) {
  constexpr std::int64_t above_avx2 = HWY_AVX3 | HWY_AVX3_DL;
  if (isa >= Isa::avx512) return 0;
  return isa == Isa::avx2 ? above_avx2 : above_avx2 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3;
}

// Holds Highway's dispatch to the requested set, before any kernel has run. What is wrong with the
// request is said by product_isa(): nothing may throw before main.
void restrict_highway() {
  const char* name = requested();
  const Isa* isa = name == nullptr ? nullptr : known_set(name);
  if (isa == nullptr) return;
  hwy::DisableTargets(targets_above(*isa));
}

// The set that Highway's kernels run on. Asked once, here: hwy::SupportedTargets() makes the
// processor's best set the chosen one, also over DisableTargets(), until the next Update().
std::int64_t choose_vector_target() {
  restrict_highway();
  const auto supported = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(supported);
  const auto usable = supported & HWY_TARGETS;
  return usable & -usable;  // the lowest bit is the best set
}
const std::int64_t vector_target = choose_vector_target();

// The set of a HeldIsa; none: the chosen one.
std::atomic<const Isa*> held_set = nullptr;

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512bf16: return "avx512bf16";
  }
  return "";
}

// The compiler's checks ask cpuid for the instructions and xgetbv for the operating system.
bool supports(Isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0;
  switch (isa) {
    case Isa::baseline: return true;
    case Isa::avx2: return avx2;
    case Isa::avx512: return avx512;
    case Isa::avx512bf16: return avx512 && __builtin_cpu_supports("avx512bf16") != 0;
  }
  return false;
}

Isa product_isa() {
  static const Isa chosen = choose();
  const auto* held = held_set.load(std::memory_order_relaxed);
  return held == nullptr ? chosen : *held;
}

bool multiplies_pairs() { return product_isa() == Isa::avx512bf16; }

HeldIsa::HeldIsa(Isa isa) {
  if (!supports(isa)) fail("isa", "this processor cannot run {}", name_of(isa));
  held_set = &every_isa[static_cast<std::size_t>(isa)];
  hwy::DisableTargets(targets_above(isa));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

HeldIsa::~HeldIsa() {
  held_set = nullptr;
  hwy::DisableTargets(0);
  choose_vector_target();
}

std::string isa_description() {
  return fmt::format("{} (vectors: {})", name_of(product_isa()), hwy::TargetName(vector_target));
}

EigenKernels eigen_kernels_of(Isa isa) {
  if (!supports(isa)) fail("eigen_kernels", "this processor cannot run {}", name_of(isa));
  switch (isa) {
    case Isa::avx2: return avx2::eigen_kernels();
    case Isa::avx512: return avx512::eigen_kernels();
    case Isa::avx512bf16: return prefers_avx2() ? avx2::eigen_kernels() : avx512::eigen_kernels();
    case Isa::baseline: break;
  }
  return baseline::eigen_kernels();
}

const EigenKernels& chosen_eigen_kernels() {
  static const auto of_each = [] {
    std::array<EigenKernels, every_isa.size()> kernels{};
    for (const auto isa : every_isa) {
      if (supports(isa)) kernels[static_cast<std::size_t>(isa)] = eigen_kernels_of(isa);
    }
    return kernels;
  }();
  return of_each[static_cast<std::size_t>(product_isa())];
}

}  // namespace lookback::kernels
