// The emulated GPU's memory: what compute-sanitizer would say on a real one.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cuda/device/device.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

struct ReadAt {
  static constexpr int threads = 1;
  const float* x;
  float* y;
  std::int64_t place;
  LOOKBACK_DEVICE void operator()() const { *y = x[place]; }
};

float element(const Tensor& x, std::int64_t place) {
  float y = 0;
  device::launch({.blocks = 1}, ReadAt{static_cast<const float*>(x.raw_data()), &y, place});
  return y;
}

TEST(EmulatedMemoryDeathTest, AnAccessBeyondATensorStopsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto x = to_device(zeros({2000}, DType::f32, cpu_device), gpu());
  EXPECT_EQ(element(x, 1999), 0);
  EXPECT_DEATH(element(x, 2000), "");
  EXPECT_DEATH(element(x, -1000), "");
}

struct ReadShared {
  static constexpr int threads = 1;
  int place;
  float* y;
  LOOKBACK_DEVICE void operator()() const {
    *y = reinterpret_cast<const float*>(device::shared_memory())[place];
  }
};

TEST(EmulatedMemoryDeathTest, SoDoesOneBeyondSharedMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto read = [](int place) {
    float y = 0;
    device::launch({.blocks = 1, .shared_bytes = 64}, ReadShared{place, &y});
    return y;
  };
  EXPECT_TRUE(std::isnan(read(15)));
  EXPECT_DEATH(read(16), "");
}

TEST(EmulatedMemory, FreshMemoryIsNaN) {
  const auto once = memory_stats(gpu()).live_bytes;
  {
    const auto x = empty({1000}, DType::f64, gpu());
    for (const double value : to_doubles(x)) EXPECT_TRUE(std::isnan(value));
    EXPECT_GE(memory_stats(gpu()).live_bytes, once + 8000);
  }
  EXPECT_EQ(memory_stats(gpu()).live_bytes, once);
}

}  // namespace
}  // namespace lookback::testing
