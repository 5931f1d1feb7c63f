// What this machine can do at most, measured here and now: the yardstick beside which kernels are
// quoted. Each figure takes less than half a second and is the best of many short runs on all
// threads.
#pragma once

#include <string>

namespace lookback::kernels {

struct Machine {
  // f32 multiply-adds in independent chains in registers, on the widest instruction set that
  // Highway knows here; two operations each.
  double fma_gflops = 0;
  // The same for AVX512-BF16 dot products (pairs of bf16 summed in f32); 0 where there are none.
  double bf16_gflops = 0;
  // a[i] = b[i] + s * c[i] over arrays far larger than the caches: the bytes of the three arrays.
  double triad_gbps = 0;
  int cores = 0;    // logical processors this process may run on
  std::string isa;  // isa_description()
};

Machine measure_machine();

// One figure alone.
double measure_fma_gflops();
double measure_bf16_gflops();
double measure_triad_gbps();

}  // namespace lookback::kernels
