// `verify --device cuda`: every reference file on a GPU, in its own dtype, and in f32 where the
// model is well conditioned.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "apps/verify/compare.h"
#include "apps/verify/reference_run.h"
#include "tests/gpu.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

std::vector<std::string> reference_files() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_directory() / "tests" / "golden")) {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() == ".safetensors" && !name.starts_with("transformers")) {
      names.push_back(name);
    }
  }
  std::ranges::sort(names);
  return names;
}

class GoldenOnGpu : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
  static SafetensorsFile file() {
    return SafetensorsFile::open(source_directory() / "tests" / "golden" /
                                 (GetParam() + ".safetensors"));
  }
  static void verify(DType dtype, const std::string& record) {
    const auto reference = file();
    const DefaultDevice on(gpu());
    const auto ours = run_reference(reference, {.dtype = dtype, .record = record});
    const auto comparison = compare_with_reference(reference, ours, dtype);
    const auto& worst = comparison.worst();
    EXPECT_TRUE(comparison.passed())
        << worst.name << ": " << worst.error << " above " << worst.tolerance << worst.problem;
  }
};

TEST_P(GoldenOnGpu, InTheDtypeOfTheFile) { verify(dtype_of_reference(file()), "qk"); }

TEST_P(GoldenOnGpu, WithRecordedWeights) { verify(dtype_of_reference(file()), "weights"); }

TEST_P(GoldenOnGpu, InSingle) {
  // A residual stream that is cut off is ill-conditioned.
  if (GetParam().find("replace") != std::string::npos) GTEST_SKIP() << "held in f64 alone";
  verify(DType::f32, "qk");
}

// Whose attention multiplies in bf16 as well, which the CPU's does not.
TEST_P(GoldenOnGpu, InBfloat16) {
  if (GetParam().find("replace") != std::string::npos) GTEST_SKIP() << "held in f64 alone";
  verify(DType::bf16, "qk");
}

INSTANTIATE_TEST_SUITE_P(All, GoldenOnGpu, ::testing::ValuesIn(reference_files()),
                         [](const ::testing::TestParamInfo<std::string>& instance) {
                           auto name = instance.param;
                           std::ranges::replace_if(
                               name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace lookback::tests
