#include "kernels/cpu/machine.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "kernels/cpu/isa.h"
#include "runtime/parallel.h"
#include "runtime/usable_cores.h"

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/machine.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// `rounds` steps of twelve chains: more than latency times issue width. Returns the number of
// operations; `sink` keeps the compiler from leaving the work out.
double multiply_adds(int rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999F);
  const auto add = hn::Set(d, 0.001F);
  // No two chains may begin alike: the compiler would run them as one.
  auto c0 = hn::Iota(d, 0), c1 = hn::Iota(d, 1), c2 = hn::Iota(d, 2), c3 = hn::Iota(d, 3);
  auto c4 = hn::Iota(d, 4), c5 = hn::Iota(d, 5), c6 = hn::Iota(d, 6), c7 = hn::Iota(d, 7);
  auto c8 = hn::Iota(d, 8), c9 = hn::Iota(d, 9), c10 = hn::Iota(d, 10), c11 = hn::Iota(d, 11);
  for (int i = 0; i < rounds; ++i) {
    c0 = hn::MulAdd(c0, factor, add);
    c1 = hn::MulAdd(c1, factor, add);
    c2 = hn::MulAdd(c2, factor, add);
    c3 = hn::MulAdd(c3, factor, add);
    c4 = hn::MulAdd(c4, factor, add);
    c5 = hn::MulAdd(c5, factor, add);
    c6 = hn::MulAdd(c6, factor, add);
    c7 = hn::MulAdd(c7, factor, add);
    c8 = hn::MulAdd(c8, factor, add);
    c9 = hn::MulAdd(c9, factor, add);
    c10 = hn::MulAdd(c10, factor, add);
    c11 = hn::MulAdd(c11, factor, add);
  }
  const auto even = hn::Add(hn::Add(hn::Add(c0, c2), hn::Add(c4, c6)), hn::Add(c8, c10));
  const auto odd = hn::Add(hn::Add(hn::Add(c1, c3), hn::Add(c5, c7)), hn::Add(c9, c11));
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  return 2.0 * 12.0 * static_cast<double>(hn::Lanes(d)) * rounds;
}

void triad(const float* b, const float* c, std::int64_t count, float* a) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto s = hn::Set(d, 3.0F);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i), hn::LoadU(d, b + i)), d, a + i);
  }
  for (; i < count; ++i) a[i] = b[i] + 3.0F * c[i];
}

}  // namespace lookback::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#if HWY_ARCH_X86
#include <immintrin.h>
#endif

namespace lookback::kernels {
namespace {

HWY_EXPORT(multiply_adds);
HWY_EXPORT(triad);

constexpr double seconds_per_figure = 0.3;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The best rate of work per second; run() does all threads' share once and returns how much it was.
template <class Run>
double best_rate(const Run& run) {
  double best = 0;
  const double end = seconds() + seconds_per_figure;
  do {
    const double start = seconds();
    const double work = run();
    best = std::max(best, work / (seconds() - start));
  } while (seconds() < end);
  return best;
}

// run(sink) once for every thread; the sum of what they return.
template <class Run>
double on_all_threads(const Run& run) {
  return parallel_sum<double>(num_threads(), 1, [&](std::int64_t, std::int64_t) {
    float sink = 0;
    const double work = run(&sink);
    volatile float kept = sink;
    static_cast<void>(kept);
    return work;
  });
}

#if HWY_ARCH_X86
bool has_bf16_dot_products() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") != 0;
}

__attribute__((target("avx512f,avx512bf16"))) double bf16_dot_products(int rounds, float* sink) {
  constexpr int chains = 12;
  const auto pair = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5F), _mm512_set1_ps(0.25F));
  __m512 sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm512_dpbf16_ps(sum, pair, pair);
  }
  float total = 0;
  for (const auto& sum : sums) total += _mm512_cvtss_f32(sum);
  *sink = total;
  return 64.0 * chains * rounds;  // 16 sums of two products each
}
#endif

}  // namespace

double measure_fma_gflops() {
  constexpr int rounds = 40'000;
  return 1e-9 * best_rate([] {
           return on_all_threads(
               [](float* sink) { return HWY_DYNAMIC_DISPATCH(multiply_adds)(rounds, sink); });
         });
}

double measure_bf16_gflops() {
#if HWY_ARCH_X86
  constexpr int rounds = 40'000;
  if (!has_bf16_dot_products()) return 0;
  return 1e-9 * best_rate([] {
           return on_all_threads([](float* sink) { return bf16_dot_products(rounds, sink); });
         });
#else
  return 0;
#endif
}

double measure_triad_gbps() {
  constexpr std::int64_t count = 1 << 24;  // 64 MiB each
  constexpr std::int64_t chunk = 1 << 20;
  // Not set to zero here: each page is first touched by the thread that works on it.
  const std::unique_ptr<float[]> memory(new float[3 * count]);
  float* a = memory.get();
  float* b = a + count;
  float* c = b + count;
  const auto on_chunks = [&](const auto& body) {
    parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t) { body(begin); });
  };
  on_chunks([&](std::int64_t begin) {
    std::fill_n(a + begin, chunk, 0.0F);
    std::fill_n(b + begin, chunk, 1.0F);
    std::fill_n(c + begin, chunk, 2.0F);
  });
  return 1e-9 * best_rate([&] {
           on_chunks([&](std::int64_t begin) {
             HWY_DYNAMIC_DISPATCH(triad)(b + begin, c + begin, chunk, a + begin);
           });
           return 3.0 * sizeof(float) * count;
         });
}

Machine measure_machine() {
  return {.fma_gflops = measure_fma_gflops(),
          .bf16_gflops = measure_bf16_gflops(),
          .triad_gbps = measure_triad_gbps(),
          .cores = usable_cores(),
          .isa = isa_description()};
}

}  // namespace lookback::kernels
#endif
