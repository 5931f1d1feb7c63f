// What the host's own code reads must be the host's: all the program's work on a small model, while
// the emulated GPU's memory is hidden from it.
#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "kernels/cuda/emulated/fenced_block.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

// In all tests but those of the reference files once more in another way: the host's code is the
// same there as for the files as they are written, and hiding takes most of their time.
class HiddenFromHost final : public ::testing::EmptyTestEventListener {
 public:
  void OnTestStart(const ::testing::TestInfo& test) override {
    const std::string_view suite = test.test_suite_name();
    const bool once_more = suite.ends_with("GoldenOnGpu") && !suite.ends_with("/GoldenOnGpu");
    if (!once_more) hidden_.emplace();
  }
  void OnTestEnd(const ::testing::TestInfo&) override { hidden_.reset(); }

 private:
  std::optional<device::emulated::HideFromHost> hidden_;
};

// Listeners are added once the tests are about to run.
class AddListener final : public ::testing::Environment {
 public:
  void SetUp() override {
    ::testing::UnitTest::GetInstance()->listeners().Append(new HiddenFromHost);
  }
};

const auto* const environment = ::testing::AddGlobalTestEnvironment(new AddListener);

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
