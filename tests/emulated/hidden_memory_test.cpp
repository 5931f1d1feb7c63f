// What the host's own code reads must be the host's: all the program's work on a small model, while
// the emulated GPU's memory is hidden from it.
#include <gtest/gtest.h>

#include <optional>

#include "kernels/cuda/emulated/fenced_block.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

// For the whole of lookback_emulated_tests.
class HiddenFromHost final : public ::testing::Environment {
 public:
  void SetUp() override { hidden_.emplace(); }
  void TearDown() override { hidden_.reset(); }

 private:
  std::optional<device::emulated::HideFromHost> hidden_;
};

const auto* const environment = ::testing::AddGlobalTestEnvironment(new HiddenFromHost);

TEST(EmulatedMemory, StopsTheHostThatReadsIt) {
  const auto x = zeros({2}, DType::f32, gpu());
  EXPECT_DEATH(
      {
        volatile float number = *static_cast<const float*>(x.raw_data());
        static_cast<void>(number);
      },
      "");
  EXPECT_EQ(to_device(x, cpu_device).data<float>()[1], 0);
}

}  // namespace
}  // namespace lookback::testing
