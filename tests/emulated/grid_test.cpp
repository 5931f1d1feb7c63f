// The emulated GPU itself: barriers, exchanges between lanes, shared memory, tensor core tiles.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/tiles.h"
#include "runtime/error.h"

namespace lookback::device {
namespace {

using emulated::Order;
using emulated::RunInOrder;

// y[b] = the sum of x[b * threads ..], through shared memory, a tree of barriers.
struct SumOfBlock {
  static constexpr int threads = 64;
  const float* x;
  float* y;
  bool with_barrier;

  LOOKBACK_DEVICE void operator()() const {
    auto* parts = reinterpret_cast<float*>(shared_memory());
    const int thread = thread_index();
    parts[thread] = x[block_index() * threads + thread];
    for (int half = threads / 2; half > 0; half /= 2) {
      if (with_barrier) sync_block();
      if (thread < half) parts[thread] += parts[thread + half];
    }
    if (thread == 0) y[block_index()] = parts[0];
  }
};

std::vector<float> sums(Order order, bool with_barrier) {
  std::vector<float> x(3 * SumOfBlock::threads), y(3);
  std::iota(x.begin(), x.end(), 0.0F);
  const RunInOrder turns(order);
  launch({.blocks = 3, .shared_bytes = SumOfBlock::threads * sizeof(float)},
         SumOfBlock{x.data(), y.data(), with_barrier});
  return y;
}

TEST(EmulatedGrid, BarriersOrderTheThreads) {
  const std::vector<float> expected = {2016, 6112, 10208};
  for (const auto order : {Order::forwards, Order::backwards, Order::shuffled}) {
    EXPECT_EQ(sums(order, true), expected);
  }
}

struct Nothing {
  static constexpr int threads = 1;
  LOOKBACK_DEVICE void operator()() const {}
};

// gridDim has 31 bits: of 2^32 + 1 blocks one would run.
TEST(EmulatedGrid, MoreBlocksThanAGpuCountsAreRefusedAndNotCutOff) {
  for (const std::int64_t blocks :
       {std::int64_t{1} << 31, (std::int64_t{1} << 32) + 1, std::int64_t{-1}}) {
    try {
      launch({.blocks = blocks}, Nothing{});
      ADD_FAILURE() << blocks;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what())
                    .find("[launch] " + std::to_string(blocks) +
                          " blocks of a kernel: must be at most 2147483647"),
                0U)
          << error.what();
    }
  }
  launch({.blocks = 0}, Nothing{});
}

TEST(EmulatedGrid, AMissingBarrierShowsInSomeOrder) {
  EXPECT_NE(sums(Order::forwards, false), sums(Order::backwards, false));
}

struct SumOfWarp {
  static constexpr int threads = 64;
  double* y;
  LOOKBACK_DEVICE void operator()() const {
    double sum = thread_index();
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes);
    y[thread_index()] = sum + 1000 * shuffle(thread_index(), 3);
  }
};

TEST(EmulatedGrid, LanesExchangeWithinTheirWarp) {
  std::vector<double> y(64);
  launch({.blocks = 1}, SumOfWarp{y.data()});
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(y[i], i < 32 ? 3496 : 36520) << i;
}

struct HalfABarrier {
  static constexpr int threads = 32;
  LOOKBACK_DEVICE void operator()() const {
    if (thread_index() < 16) sync_block();
  }
};

TEST(EmulatedGrid, ABarrierThatSomeLeaveOutIsAnError) {
  try {
    launch({.blocks = 1}, HalfABarrier{});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[kernel] block 0 is stuck: of 32 threads 16 wait for the block, 0 for their "
                 "warp, 16 have ended");
  }
}

struct ReadPack {
  static constexpr int threads = 1;
  const float* x;
  float* y;
  LOOKBACK_DEVICE void operator()() const { *y = kernels::read_pack<4>(x).element[3]; }
};

TEST(EmulatedGrid, AMisalignedAccessIsAnError) {
  alignas(16) const float x[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  float y = 0;
  launch({.blocks = 1}, ReadPack{x + 4, &y});
  EXPECT_EQ(y, 7);
  try {
    launch({.blocks = 1}, ReadPack{x + 1, &y});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[kernel] block 0, thread 0: the address of an access is no multiple of 16 bytes");
  }
}

// c = a b through shared memory and one tile product; b is given transposed, or not.
struct TileProduct {
  static constexpr int threads = 32;
  const BFloat16* a;  // [16, 16]
  const BFloat16* b;  // [16, 8], or [8, 16] its transpose
  float* c;           // [16, 8]
  bool transposed;

  LOOKBACK_DEVICE void operator()() const {
    auto* rows = reinterpret_cast<BFloat16*>(shared_memory());
    auto* columns = rows + 256;
    const int lane = thread_index();
    cp_async(rows + lane * 8, a + lane * 8);
    if (lane < 16) cp_async(columns + lane * 8, b + lane * 8);
    cp_async_commit();
    cp_async_wait<0>();
    sync_block();
    std::uint32_t of_a[4], of_b[4];
    ldmatrix(of_a, rows + (lane % 8 + lane / 8 % 2 * 8) * 16 + lane / 16 * 8);
    // Lanes 16 to 31 give the same two matrices again; what they load is not used.
    const auto* row = transposed ? columns + lane % 8 * 16 + lane / 8 % 2 * 8
                                 : columns + (lane % 8 + lane / 8 % 2 * 8) * 8;
    if (transposed) {
      ldmatrix(of_b, row);
    } else {
      ldmatrix_trans(of_b, row);
    }
    const std::uint32_t pair[2] = {of_b[0], of_b[1]};
    float sums[4] = {};
    mma_m16n8k16(sums, of_a, pair);
    for (int i = 0; i < 4; ++i) {
      c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
    }
  }
};

TEST(EmulatedGrid, TilesMultiply) {
  for (const bool transposed : {false, true}) {
    alignas(16) BFloat16 a[256];
    alignas(16) BFloat16 b[128];
    std::vector<float> c(128);
    for (int i = 0; i < 256; ++i) a[i] = BFloat16(static_cast<float>(i * 7 % 13 - 6));
    for (int i = 0; i < 128; ++i) b[i] = BFloat16(static_cast<float>(i * 5 % 11 - 5));
    launch({.blocks = 1, .shared_bytes = 384 * sizeof(BFloat16)},
           TileProduct{a, b, c.data(), transposed});
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        float sum = 0;
        for (int k = 0; k < 16; ++k) {
          sum += static_cast<float>(a[row * 16 + k]) *
                 static_cast<float>(transposed ? b[column * 16 + k] : b[k * 8 + column]);
        }
        EXPECT_EQ(c[static_cast<std::size_t>(row * 8 + column)], sum) << row << ' ' << column;
      }
    }
  }
}

}  // namespace
}  // namespace lookback::device
