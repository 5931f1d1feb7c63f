// How tiles lie in shared memory for a warpgroup's products, against the PTX ISA's own words.
#include "kernels/cuda/device/matrix_descriptor.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/cuda/device/swizzled_tile.h"

namespace lookback::kernels {
namespace {

using device::describe_matrix;
using device::moved_matrix;
using device::Swizzle;

TEST(MatrixDescriptor, FieldsAreWhereTheyBelong) {
  const auto matrix = describe_matrix(
      0x2a50, {.leading_bytes = 8192, .stride_bytes = 1024, .swizzle = Swizzle::bytes_128});
  EXPECT_EQ(matrix & 0x3fff, 0x2a5U);
  EXPECT_EQ(matrix >> 16 & 0x3fff, 512U);
  EXPECT_EQ(matrix >> 32 & 0x3fff, 64U);
  EXPECT_EQ(matrix >> 49 & 7, 0U);
  EXPECT_EQ(matrix >> 62, 1U);
  EXPECT_EQ(matrix & ~(0x3fffULL | 0x3fffULL << 16 | 0x3fffULL << 32 | 3ULL << 62), 0U);
  EXPECT_EQ(describe_matrix(0, {0, 0, Swizzle::bytes_64}), 2ULL << 62);
  EXPECT_EQ(describe_matrix(0, {0, 0, Swizzle::bytes_32}), 3ULL << 62);
  // The last 16 bytes of an H100's shared memory.
  EXPECT_EQ(describe_matrix((228 << 10) - 16, {0, 0, Swizzle::none}), 0x38ffU);
  EXPECT_EQ(moved_matrix(matrix, 2048) - matrix, 128U);
}

// A tile is blocks of lines, with the bits of its addresses swapped as the ISA says; each element
// has a place of its own, and eight rows' chunks of one column lie in eight different groups of
// four banks.
template <int block>
void expect_swizzled() {
  constexpr std::size_t line = block * 2;
  for (const int rows : {8, 32, 128}) {
    for (const int columns : {16, 64, 96, 192}) {
      std::set<std::size_t> places;
      for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
          const auto r = static_cast<std::size_t>(row), c = static_cast<std::size_t>(column);
          auto address =
              c / block * static_cast<std::size_t>(rows) * line + r * line + c % block * 2;
          const std::size_t swapped = block == 64 ? 7 : 3;
          address ^= (address >> 7 & swapped) << 4;
          const auto offset =
              static_cast<std::size_t>(SwizzledTile<block>::offset(rows, row, column));
          ASSERT_EQ(offset * 2, address) << row << " " << column;
          places.insert(offset);
        }
      }
      EXPECT_EQ(places.size(), static_cast<std::size_t>(rows * columns));
      EXPECT_LT(*places.rbegin(),
                static_cast<std::size_t>(SwizzledTile<block>::size(rows, columns)));
    }
  }
  for (int column = 0; column < block; column += 8) {
    std::set<int> groups;
    for (int row = 0; row < 8; ++row) {
      groups.insert(SwizzledTile<block>::offset(8, row, column) / 8 % 8);
    }
    EXPECT_EQ(groups.size(), 8U) << column;
  }
}
TEST(SwizzledTile, LiesAsTheIsaSwizzlesLinesOf128Bytes) { expect_swizzled<64>(); }
TEST(SwizzledTile, LiesAsTheIsaSwizzlesLinesOf64Bytes) { expect_swizzled<32>(); }

// The numbers that CUTLASS and ThunderKittens give for the same tiles.
TEST(SwizzledTile, DescribesItselfAsOthersDo) {
  const auto wide = SwizzledTile<64>::layout(128);
  EXPECT_EQ(wide.leading_bytes, 128U * 128);
  EXPECT_EQ(wide.stride_bytes, 1024U);
  EXPECT_EQ(wide.swizzle, Swizzle::bytes_128);
  const auto narrow = SwizzledTile<32>::layout(64);
  EXPECT_EQ(narrow.leading_bytes, 64U * 64);
  EXPECT_EQ(narrow.stride_bytes, 512U);
  EXPECT_EQ(narrow.swizzle, Swizzle::bytes_64);
  EXPECT_EQ(SwizzledTile<64>::bytes_to(128, 0, 48), 96U);              // inside of a line
  EXPECT_EQ(SwizzledTile<64>::bytes_to(128, 0, 80), 128U * 128 + 32);  // in the next block
  EXPECT_EQ(SwizzledTile<64>::bytes_to(128, 64, 0), 64U * 128);        // the second warpgroup
  EXPECT_EQ(SwizzledTile<32>::bytes_to(64, 16, 0), 16U * 64);          // the next 16 keys
}

}  // namespace
}  // namespace lookback::kernels
