#include "kernels/cpu/machine.h"

#include <gtest/gtest.h>

#include "kernels/cpu/isa.h"

namespace lookback::kernels {
namespace {

// Bounds that hold on anything from an old laptop's single core to a large server.
TEST(Machine, FiguresAreOfThisWorld) {
  const auto machine = measure_machine();
  EXPECT_GT(machine.fma_gflops, 0.5);
  EXPECT_LT(machine.fma_gflops, 1e5);
  EXPECT_GT(machine.triad_gbps, 0.2);
  EXPECT_LT(machine.triad_gbps, 5e3);
  EXPECT_GE(machine.bf16_gflops, 0);
  EXPECT_GE(machine.cores, 1);
  EXPECT_EQ(machine.isa, isa_description());
}

}  // namespace
}  // namespace lookback::kernels
