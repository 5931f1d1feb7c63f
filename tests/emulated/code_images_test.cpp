// Which GPU runs which program: what a build made elsewhere says on a GPU that it has no code for.
#include "kernels/cuda/device/code_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/device/capability.h"
#include "kernels/cuda/device/code_report.h"

namespace lookback::device {
namespace {

using ::testing::HasSubstr;

constexpr ComputeCapability a100{8, 0}, rtx30{8, 6}, rtx40{8, 9}, hopper{9, 0}, blackwell{10, 0},
    rtx50{12, 0}, v100{7, 0};

// What a machine without a GPU makes (third_party/build.sh) is to run on every GPU.
TEST(EmulatedCode, TheOldestArchitectureRunsEverywhere) {
  for (const auto gpu : {a100, rtx30, rtx40})
    EXPECT_EQ(code_for(gpu, "80"), "machine code of sm_80");
  for (const auto gpu : {hopper, blackwell, rtx50})
    EXPECT_EQ(code_for(gpu, "80"), "PTX of compute_80");
  EXPECT_EQ(code_for(v100, "80"), "");
}

TEST(EmulatedCode, ThatOfOneGpuRunsThereAlone) {
  EXPECT_EQ(code_for(hopper, "90a"), "machine code of sm_90a");
  for (const auto gpu : {a100, rtx40, blackwell, rtx50}) EXPECT_EQ(code_for(gpu, "90a"), "");
}

TEST(EmulatedCode, MachineCodeComesBeforePtx) {
  for (const char* both : {"80 90a", "90a 80"}) {
    EXPECT_EQ(code_for(hopper, both), "machine code of sm_90a");
    EXPECT_EQ(code_for(rtx30, both), "machine code of sm_80");
    EXPECT_EQ(code_for(blackwell, both), "PTX of compute_80");
  }
  EXPECT_EQ(code_for({9, 0}, "80 89"), "PTX of compute_80");
  EXPECT_EQ(code_for({8, 6}, "89"), "");
}

TEST(EmulatedCode, AProgramWithoutCodeForAGpuSaysWhatItHoldsAndHowToBuildForIt) {
  EXPECT_EQ(code_advice(a100, "90a"),
            "this program holds machine code of sm_90a; a build with "
            "-DLOOKBACK_CUDA_ARCHITECTURES=80 holds what sm_80 runs");
  EXPECT_THAT(code_advice(hopper, "80 90a"),
              HasSubstr("holds machine code of sm_80, sm_90a and PTX of compute_80;"));
  EXPECT_THAT(code_advice(hopper, "80"), HasSubstr("=90a holds what sm_90 runs"));
}

// The emulated GPU runs the code of both kinds.
TEST(EmulatedCode, SaysItselfWhetherItIsForWarpgroups) {
  std::int32_t reported = -1;
  kernels::report_code(&reported);
  EXPECT_EQ(reported, 1);
}

}  // namespace
}  // namespace lookback::device
