// cuBLAS as the program opens and sets it up, beside libraries that are stubs (tests/stub_library).
// Each in a process of its own: what has been opened stays open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/cuda/device/products.h"
#include "kernels/cuda/toolkit/cublas.h"
#include "runtime/error.h"
#include "tests/paths.h"
#include "tests/toolkit/fake_cuda_runtime.h"

namespace lookback::kernels {
namespace {

namespace fs = std::filesystem;
using fake_cuda::state;

fs::path stub(const std::string& name) {
  return tests::program().parent_path() / "stub_libraries" / name /
         ("libcublas.so." + std::to_string(CUBLAS_VER_MAJOR));
}

class CublasDeathTest : public ::testing::Test {
 protected:
  CublasDeathTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    state() = {};
    setenv("LOOKBACK_CUBLAS", stub("good").c_str(), 1);
  }
  ~CublasDeathTest() override { unsetenv("LOOKBACK_CUBLAS"); }
};

long long noted(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? -1 : std::atoll(value);
}

Product product_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.a = {.row_step = k, .column_step = 1},
          .b = {.row_step = n, .column_step = 1},
          .y_row_step = n,
          .m = m,
          .n = n,
          .k = k};
}

// Says what holds not, and ends.
[[noreturn]] void end(std::initializer_list<std::pair<const char*, bool>> claims) {
  for (const auto& [claim, holds] : claims) {
    if (holds) continue;
    std::fprintf(stderr, "does not hold: %s", claim);
    std::exit(1);
  }
  std::exit(0);
}

TEST_F(CublasDeathTest, JoinsPartsOfSumsInFloat32AndKeepsItsWorkspace) {
  EXPECT_EXIT(
      {
        multiply_on_gpu(product_of(3, 4, 5));
        end({{"it multiplied", noted("STUB_MULTIPLIED") == 4},
             {"the math mode",
              noted("STUB_MATH_MODE") ==
                  (CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)},
             {"a workspace set after the stream", noted("STUB_WORKSPACE_BYTES") == 32 << 20}});
      },
      ::testing::ExitedWithCode(0), "");
}

// Sizes that its 32 bits do not hold would be cut off.
TEST_F(CublasDeathTest, IsNotGivenWhatItCannotCount) {
  EXPECT_EXIT(
      {
        constexpr std::int64_t many = (std::int64_t{1} << 32) + 2;
        multiply_on_gpu(product_of(many, 1, 1));
        multiply_on_gpu(product_of(1, many, 1));
        multiply_on_gpu(product_of(1, 1, many));
        auto batches = product_of(1, 1, 1);
        batches.batch = many;
        multiply_on_gpu(batches);
        auto wide = product_of(2, 2, 2);
        wide.y_row_step = many;
        multiply_on_gpu(wide);
        end({{"none was cuBLAS's", noted("STUB_MULTIPLIED") == -1},
             {"all were ours", state().plain_products == 5}});
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(CublasDeathTest, SaysWhichOneItIs) {
  EXPECT_EXIT(
      {
        std::fputs(product_library().c_str(), stderr);
        std::exit(0);
      },
      ::testing::ExitedWithCode(0),
      "cuBLAS " + std::to_string(CUBLAS_VER_MAJOR) + "\\.2\\.3 \\(.*stub_libraries/good/libcublas");
}

void open_and_exit() {
  try {
    static_cast<void>(product_library());
    std::exit(0);
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    std::exit(1);
  }
}

TEST_F(CublasDeathTest, OneOfAnotherVersionOrWithoutAProductIsRefused) {
  setenv("LOOKBACK_CUBLAS", stub("other_version").c_str(), 1);
  EXPECT_EXIT(open_and_exit(), ::testing::ExitedWithCode(1),
              "other_version/libcublas.* \\(is cuBLAS 7\\.2\\.3, must be " +
                  std::to_string(CUBLAS_VER_MAJOR) + "\\)");
  setenv("LOOKBACK_CUBLAS", stub("without_product").c_str(), 1);
  EXPECT_EXIT(open_and_exit(), ::testing::ExitedWithCode(1),
              "without_product/libcublas.* \\(has no cublasGemmStridedBatchedEx\\)");
}

}  // namespace
}  // namespace lookback::kernels
