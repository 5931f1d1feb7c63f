// What the toolkit's part of the program makes of CUDA's answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/cuda/device/capability.h"
#include "kernels/cuda/toolkit/cuda_check.h"
#include "runtime/device_runtime.h"
#include "tests/toolkit/fake_cuda_runtime.h"

namespace lookback {
namespace {

using fake_cuda::state;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

DeviceRuntime& cuda() { return *device_runtime(Backend::cuda); }

class CudaToolkit : public ::testing::Test {
 protected:
  CudaToolkit() { state() = {}; }
  ~CudaToolkit() override { state() = {}; }
};

// LOOKBACK_CUDA_ARCHITECTURES of these tests is 90a (CMakeLists.txt).
TEST_F(CudaToolkit, AGpuThatThisProgramHasNoCodeForIsNotUsedAndThatIsSaid) {
  EXPECT_EQ(cuda().count(), 1);
  EXPECT_EQ(cuda().why_none(), "");
  EXPECT_EQ(cuda().why_passed_over(), "");
  state().major = 8;
  EXPECT_EQ(cuda().count(), 0);
  EXPECT_EQ(cuda().why_none(),
            "A GPU: this program holds machine code of sm_90a; a build with "
            "-DLOOKBACK_CUDA_ARCHITECTURES=80 holds what sm_80 runs");
  EXPECT_EQ(cuda().why_passed_over(), cuda().why_none());
  state().major = 7;
  EXPECT_THAT(cuda().why_passed_over(), HasSubstr("A GPU, sm_70, is too old"));
}

TEST_F(CudaToolkit, AMachineWithoutAGpuIsSilentAndOneWithAnOldDriverIsNot) {
  state().devices = 0;
  EXPECT_EQ(cuda().count(), 0);
  EXPECT_EQ(cuda().why_passed_over(), "");
  EXPECT_THAT(cuda().why_none(), HasSubstr("sees no GPU"));
  state().driver_version = 0;
  EXPECT_EQ(cuda().why_passed_over(), "");
  EXPECT_THAT(cuda().why_none(), HasSubstr("there is no NVIDIA driver here"));
  state().driver_version = 11000;
  EXPECT_THAT(cuda().why_passed_over(), HasSubstr("knows CUDA 11.0, this program needs"));
}

TEST_F(CudaToolkit, CodeThatTheDriverDoesNotLoadIsNamed) {
  state().major = 8;
  for (const auto status : {cudaErrorNoKernelImageForDevice, cudaErrorUnsupportedPtxVersion}) {
    try {
      check_cuda("launch", status);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("[cuda] launch: "),
                                      EndsWith("holds machine code of sm_90a; a build with "
                                               "-DLOOKBACK_CUDA_ARCHITECTURES=80 holds what sm_80 "
                                               "runs")));
    }
  }
}

// A lack of memory is an answer, not the end: what CUDA remembers of it would fail the next launch.
TEST_F(CudaToolkit, ALackOfMemoryIsOutOfMemoryAndLeavesNothingBehind) {
  state().last_error = cudaErrorMemoryAllocation;
  EXPECT_THROW(check_cuda("cudaHostAlloc", cudaErrorMemoryAllocation), OutOfMemory);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  try {
    check_cuda("cudaFree", cudaErrorLaunchFailure);
    ADD_FAILURE();
  } catch (const OutOfMemory&) {
    ADD_FAILURE();
  } catch (const Error&) {
  }
}

std::unique_ptr<CapturedWork> captured() {
  return cuda().capture(0, [] {});
}

TEST_F(CudaToolkit, ACaptureThatHasNoRoomIsOutOfMemory) {
  for (const char* call : {"cudaGraphInstantiate", "cudaGraphUpload"}) {
    SCOPED_TRACE(call);
    state() = {};
    state().fails[call] = cudaErrorMemoryAllocation;
    EXPECT_THROW(captured(), OutOfMemory);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_THAT(state().calls, Contains("cudaGraphDestroy"));
    const bool was_made = std::string(call) == "cudaGraphUpload";
    EXPECT_EQ(std::ranges::count(state().calls, "cudaGraphExecDestroy"), was_made ? 1 : 0);
  }
  state() = {};
  state().fails["cudaGraphInstantiate"] = cudaErrorLaunchFailure;
  EXPECT_THROW(captured(), Error);
}

TEST_F(CudaToolkit, SoIsOneThatCannotBeStarted) {
  const auto work = captured();
  work->launch();
  state().fails["cudaGraphLaunch"] = cudaErrorMemoryAllocation;
  EXPECT_THROW(work->launch(), OutOfMemory);
  state().fails["cudaGraphLaunch"] = cudaErrorLaunchFailure;
  try {
    work->launch();
    ADD_FAILURE();
  } catch (const OutOfMemory&) {
    ADD_FAILURE();
  } catch (const Error&) {
  }
}

TEST_F(CudaToolkit, AMomentIsAnEventOfTheStream) {
  const auto begin = cuda().moment(0), end = cuda().moment(0);
  EXPECT_NEAR(end->seconds_since(*begin), 2e-3, 1e-9);
  EXPECT_THAT(state().calls, Contains("cudaEventRecord").Times(2));
}

// In a process of their own: the allocator, and what the GPU has said of its code, are kept.
using CudaToolkitDeathTest = CudaToolkit;

TEST_F(CudaToolkitDeathTest, WarpgroupsAreThereWhereTheLoadedCodeSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const bool has : {true, false}) {
    EXPECT_EXIT(
        {
          state().code_has_warpgroups = has;  // false: PTX on the same GPU
          std::exit(device::has_warpgroups() == has ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "");
  }
}

// Asking means to wait, which a capture cannot.
TEST_F(CudaToolkitDeathTest, WarpgroupsAreAskedForBeforeACaptureBegins) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        captured();
        state().calls.clear();
        static_cast<void>(device::has_warpgroups());
        std::exit(state().calls.empty() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

void allocate_and_exit() {
  auto& memory = cuda().allocator(0);
  const auto before = state().allocated.size();
  auto* block = memory.allocate(1000);
  memory.deallocate(block, 1000);
  memory.deallocate(memory.allocate(1000), 1000);
  const std::vector<std::size_t> asked_for(state().allocated.begin() + static_cast<long>(before),
                                           state().allocated.end());
  std::string text;
  for (const auto bytes : asked_for) text += std::to_string(bytes) + " ";
  std::fprintf(stderr, "asked for %sfreed %d", text.c_str(), state().freed);
  std::exit(0);
}

TEST_F(CudaToolkitDeathTest, ExactAllocationsAreFreshAndOfTheSizeAskedFor) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr const char* variable = "LOOKBACK_CUDA_EXACT_ALLOCATIONS";
  for (const char* off : {"", "0"}) {
    setenv(variable, off, 1);
    EXPECT_EXIT(allocate_and_exit(), ::testing::ExitedWithCode(0), "asked for 1024 freed 0");
  }
  setenv(variable, "1", 1);
  EXPECT_EXIT(allocate_and_exit(), ::testing::ExitedWithCode(0), "asked for 1000 1000 freed 2");
  setenv(variable, "yes", 1);
  EXPECT_EXIT(
      {
        try {
          allocate_and_exit();
        } catch (const Error& error) {
          std::fputs(error.what(), stderr);
          std::exit(1);
        }
      },
      ::testing::ExitedWithCode(1), "LOOKBACK_CUDA_EXACT_ALLOCATIONS=yes: must be 0 or 1");
  unsetenv(variable);
}

}  // namespace
}  // namespace lookback
