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

enum class Precision { of_the_file, any };

std::vector<std::string> names_for(Precision precision) {
  std::vector<std::string> names;
  for (const auto& file : reference_files()) {
    const auto name = file.stem().string();
    if (name.starts_with("transformers")) continue;
    // A residual stream that is cut off is ill-conditioned: held in f64 alone.
    const bool replaces = name.find("replace") != std::string::npos;
    if (precision == Precision::of_the_file || !replaces) names.push_back(name);
  }
  return names;
}

// Where they are not, there are no tests below, which no other test would notice.
TEST(ReferenceFiles, AreThereForTheTestsOnGpu) {
  EXPECT_GE(names_for(Precision::any).size(), 20U)
      << "in " << source_directory() / "tests" / "golden"
      << ": LOOKBACK_SOURCE_DIR must name the root of the source tree";
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
  static void verify(DType dtype, AttentionStorage storage) {
    const auto reference = file();
    const DefaultDevice on(gpu());
    const auto ours = run_reference(reference, {.dtype = dtype, .attention_storage = storage});
    const auto comparison = compare_with_reference(reference, ours, dtype);
    const auto& worst = comparison.worst();
    EXPECT_TRUE(comparison.passed())
        << worst.name << ": " << worst.error << " above " << worst.tolerance << worst.problem;
  }
};

TEST_P(GoldenOnGpu, InTheDtypeOfTheFile) {
  verify(dtype_of_reference(file()), AttentionStorage::qk);
}

TEST_P(GoldenOnGpu, WithRecordedWeights) {
  verify(dtype_of_reference(file()), AttentionStorage::weights);
}

class RoundedGoldenOnGpu : public GoldenOnGpu {};

TEST_P(RoundedGoldenOnGpu, InSingle) { verify(DType::f32, AttentionStorage::qk); }

// Whose attention multiplies in bf16 as well, which the CPU's does not.
TEST_P(RoundedGoldenOnGpu, InBfloat16) { verify(DType::bf16, AttentionStorage::qk); }

std::string test_name(const ::testing::TestParamInfo<std::string>& instance) {
  auto name = instance.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenOnGpu);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RoundedGoldenOnGpu);
INSTANTIATE_TEST_SUITE_P(All, GoldenOnGpu, ::testing::ValuesIn(names_for(Precision::of_the_file)),
                         test_name);
INSTANTIATE_TEST_SUITE_P(All, RoundedGoldenOnGpu, ::testing::ValuesIn(names_for(Precision::any)),
                         test_name);

}  // namespace
}  // namespace lookback::tests
