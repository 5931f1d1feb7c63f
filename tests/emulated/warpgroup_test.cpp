// Products of warpgroups on the emulated GPU: they are right where everything is done that the PTX
// ISA asks for, and where one thing is left out it shows.
#include "kernels/cuda/device/warpgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cuda/device/swizzled_tile.h"
#include "runtime/error.h"

namespace lookback::device {
namespace {

using emulated::element_address;
using emulated::Order;
using emulated::RunInOrder;
using kernels::SwizzledTile;
using ::testing::HasSubstr;
using ::testing::Ne;

// A tile's element lies where the descriptor says, for both ways to read it.
template <int block>
void expect_tile_at_its_descriptor() {
  constexpr std::uint32_t begin = 5 << 10;
  for (const int rows : {32, 64}) {
    const auto matrix = describe_matrix(begin, SwizzledTile<block>::layout(rows));
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < 192; ++column) {
        const auto expected =
            begin + 2 * static_cast<std::uint32_t>(SwizzledTile<block>::offset(rows, row, column));
        const auto of = [&](int from_row, int from_column) {
          return moved_matrix(matrix, SwizzledTile<block>::bytes_to(rows, from_row, from_column));
        };
        ASSERT_EQ(element_address(of(0, column / 16 * 16), Major::k, row, column % 16), expected);
        ASSERT_EQ(element_address(of(row / 16 * 16, 0), Major::mn, column, row % 16), expected);
      }
    }
  }
}
TEST(EmulatedWarpgroup, TilesLieWhereTheirDescriptorsSay) {
  expect_tile_at_its_descriptor<64>();
  expect_tile_at_its_descriptor<32>();
}

// Without a swizzle: groups of eight chunks of 16 bytes each.
TEST(EmulatedWarpgroup, ReadsWithoutASwizzle) {
  const auto matrix =
      describe_matrix(1024, {.leading_bytes = 4096, .stride_bytes = 256, .swizzle = Swizzle::none});
  EXPECT_EQ(element_address(matrix, Major::k, 3, 5), 1024U + 3 * 16 + 5 * 2);
  EXPECT_EQ(element_address(matrix, Major::k, 9, 0), 1024U + 256 + 16);
  EXPECT_EQ(element_address(matrix, Major::k, 0, 8), 1024U + 4096);
  EXPECT_EQ(element_address(matrix, Major::mn, 5, 3), 1024U + 3 * 16 + 5 * 2);
  EXPECT_EQ(element_address(matrix, Major::mn, 8, 0), 1024U + 256);
  EXPECT_EQ(element_address(matrix, Major::mn, 0, 8), 1024U + 4096);
}

// What a kernel may leave out.
enum class Without {
  nothing,
  publishing,
  barrier,
  order,
  order_of_the_second,
  commit,
  wait,
  descriptor_in_one_warp,
  stride_bytes,
  swizzle,
  patience
};

// c = a b + a b, a and b [64, 32] and [32, 64] with 32 the sum's, b^T given as a tile: as columns
// of B. `from_registers`: a is, and b is given as it is.
struct TwoProducts {
  static constexpr int threads = 128;
  static constexpr int size = 64, sum = 32;
  const BFloat16* a;  // [64, 32]
  const BFloat16* b;  // [32, 64], or its transpose
  float* c;           // [64, 64]
  bool from_registers;
  Without without;

  LOOKBACK_DEVICE void fill(const BFloat16* from, int rows, int columns, BFloat16* to) const {
    for (int chunk = thread_index(); chunk < rows * columns / 8; chunk += threads) {
      const int row = chunk / (columns / 8), column = chunk % (columns / 8) * 8;
      cp_async(to + place(rows, columns, row, column), from + row * columns + column);
    }
  }
  static LOOKBACK_DEVICE int place(int rows, int columns, int row, int column) {
    return columns == 32 ? SwizzledTile<32>::offset(rows, row, column)
                         : SwizzledTile<64>::offset(rows, row, column);
  }

  LOOKBACK_DEVICE void operator()() const {
    auto* tile_a = reinterpret_cast<BFloat16*>(swizzled_memory());
    auto* tile_b = tile_a + size * sum;
    fill(a, size, sum, tile_a);
    fill(b, from_registers ? sum : size, from_registers ? size : sum, tile_b);
    cp_async_commit();
    cp_async_wait<0>();
    if (without != Without::publishing) fence_proxy_async();
    if (without != Without::barrier) sync_block();
    float sums[size / 8][4] = {};
    std::uint32_t rows[sum / 16][4];
    for (int step = 0; step < sum / 16; ++step) {
      const int row = thread_index() / 32 * 16 + thread_index() % 32 / 4;
      const int column = step * 16 + thread_index() % 4 * 2;
      for (int i = 0; i < 4; ++i) {
        const auto* pair = a + (row + i % 2 * 8) * sum + column + i / 2 * 8;
        rows[step][i] = pair[0].bits | static_cast<std::uint32_t>(pair[1].bits) << 16;
      }
    }
    if (without != Without::order) wgmma_fence(sums, rows);
    products(sums, rows, tile_a, tile_b);
    if (without != Without::commit) wgmma_commit();
    if (without != Without::order_of_the_second) wgmma_fence(sums);
    products(sums, rows, tile_a, tile_b);
    if (without != Without::commit) wgmma_commit();
    if (without == Without::patience) cp_async_zfill(tile_b + thread_index() * 8);
    if (without == Without::wait) {
      wgmma_wait<1>(sums);
    } else {
      wgmma_wait<0>(sums);
    }
    for (int i = 0; i < size / 2; ++i) {
      const int row = thread_index() / 32 * 16 + thread_index() % 32 / 4 + i % 4 / 2 * 8;
      c[row * size + i / 4 * 8 + thread_index() % 4 * 2 + i % 2] = sums[i / 4][i % 4];
    }
  }

 private:
  LOOKBACK_DEVICE std::uint64_t described(const BFloat16* tile, MatrixLayout layout) const {
    if (without == Without::stride_bytes) layout.stride_bytes /= 2;
    if (without == Without::swizzle) layout.swizzle = Swizzle::bytes_32;
    const bool other = without == Without::descriptor_in_one_warp && thread_index() / 32 == 2;
    return describe_matrix(shared_window_address(tile) + (other ? 16 : 0), layout);
  }
  LOOKBACK_DEVICE void products(float (&sums)[size / 8][4], const std::uint32_t (&rows)[2][4],
                                const BFloat16* tile_a, const BFloat16* tile_b) const {
    for (int step = 0; step < sum / 16; ++step) {
      if (from_registers) {
        const auto of_b = described(tile_b, SwizzledTile<64>::layout(sum));
        wgmma_rs<Major::mn>(sums, rows[step],
                            moved_matrix(of_b, SwizzledTile<64>::bytes_to(sum, 16 * step, 0)));
      } else {
        const auto bytes = SwizzledTile<32>::bytes_to(size, 0, 16 * step);
        wgmma_ss<Major::k>(sums,
                           moved_matrix(described(tile_a, SwizzledTile<32>::layout(size)), bytes),
                           moved_matrix(described(tile_b, SwizzledTile<32>::layout(size)), bytes));
      }
    }
  }
};

// The largest difference from a b + a b, NaN where there is one.
float error_of(bool from_registers, Without without, Order order = Order::forwards) {
  constexpr int size = TwoProducts::size, sum = TwoProducts::sum;
  std::vector<BFloat16> memory(2 * size * sum + 8);
  auto* a = memory.data() + 8 - reinterpret_cast<std::uintptr_t>(memory.data()) % 16 / 2;
  auto* b = a + size * sum;
  for (int i = 0; i < size * sum; ++i) {
    a[i] = BFloat16(static_cast<float>(i * 7 % 13 - 6));
    b[i] = BFloat16(static_cast<float>(i * 5 % 11 - 5));
  }
  std::vector<float> c(size * size);
  const RunInOrder turns(order);
  launch({.blocks = 1, .shared_bytes = 2 * size * sum * sizeof(BFloat16)},
         TwoProducts{a, b, c.data(), from_registers, without});
  float worst = 0;
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      float expected = 0;
      for (int k = 0; k < sum; ++k) {
        expected += 2 * static_cast<float>(a[row * sum + k]) *
                    static_cast<float>(from_registers ? b[k * size + column] : b[column * sum + k]);
      }
      const float error = std::abs(c[static_cast<std::size_t>(row * size + column)] - expected);
      if (!(error <= worst)) worst = error;
      if (std::isnan(worst)) return worst;
    }
  }
  return worst;
}

TEST(EmulatedWarpgroup, ProductsAreRight) {
  for (const auto order : {Order::forwards, Order::backwards, Order::shuffled}) {
    EXPECT_EQ(error_of(false, Without::nothing, order), 0);
    EXPECT_EQ(error_of(true, Without::nothing, order), 0);
  }
}

// "right", "wrong", or the error.
std::string outcome(bool from_registers, Without without, Order order = Order::forwards) {
  try {
    return error_of(from_registers, without, order) == 0 ? "right" : "wrong";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(EmulatedWarpgroup, WhatIsLeftOutShows) {
  for (const bool from_registers : {false, true}) {
    for (const auto without :
         {Without::order, Without::order_of_the_second, Without::commit, Without::wait}) {
      EXPECT_EQ(outcome(from_registers, without), "wrong")
          << static_cast<int>(without) << from_registers;
    }
    for (const auto order : {Order::forwards, Order::backwards}) {
      EXPECT_THAT(outcome(from_registers, Without::barrier, order), Ne("right"));
    }
    EXPECT_THAT(outcome(from_registers, Without::swizzle), Ne("right"));
    EXPECT_THAT(outcome(from_registers, Without::publishing), HasSubstr("was not published to it"));
    EXPECT_THAT(outcome(from_registers, Without::patience),
                HasSubstr("has changed while a product was reading it"));
    EXPECT_EQ(outcome(from_registers, Without::descriptor_in_one_warp),
              "[kernel] thread 64 asks for another product than the rest of its warpgroup");
  }
  EXPECT_EQ(outcome(false, Without::stride_bytes), "wrong");
}

}  // namespace
}  // namespace lookback::device
