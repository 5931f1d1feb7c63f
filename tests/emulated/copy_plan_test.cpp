// Which way copies go: the choice alone, from sizes and strides.
#include "kernels/cuda/copy_plan.h"

#include <gtest/gtest.h>

#include <array>

namespace lookback::kernels {
namespace {

// Memory that nothing is read from; aligned as an allocation is.
alignas(16) std::array<double, 2> memory{};

template <class View>
View view(DType dtype, const Shape& sizes, const Strides& strides) {
  View x;
  x.data = memory.data();
  x.dtype = dtype;
  x.sizes = sizes;
  x.strides = strides;
  return x;
}

CopyForwardArgs copy_of(const Shape& sizes, const Strides& x, const Strides& y,
                        DType from = DType::bf16, DType to = DType::bf16) {
  return in_memory_order({.x = view<In>(from, sizes, x), .y = view<Out>(to, sizes, y)});
}
CopyForwardArgs into_contiguous(const Shape& sizes, const Strides& x, DType dtype = DType::bf16) {
  return copy_of(sizes, x, contiguous_strides(sizes), dtype, dtype);
}

TEST(EmulatedCopyPlan, AMatrixTransposedTakesATile) {
  const auto plan = tile_plan(into_contiguous({40, 72}, {1, 40}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->along_x.size, 40);
  EXPECT_EQ(plan->along_x.x_step, 1);
  EXPECT_EQ(plan->along_x.y_step, 72);
  EXPECT_EQ(plan->along_y.size, 72);
  EXPECT_EQ(plan->along_y.x_step, 40);
  EXPECT_EQ(plan->along_y.y_step, 1);
  EXPECT_EQ(plan->batch.rank, 0);
  EXPECT_EQ(plan->batches, 1);
}

// The same the other way round: what matters is the memory, not the order of the dimensions.
TEST(EmulatedCopyPlan, AMatrixIntoATransposedOneTakesATile) {
  const auto plan = tile_plan(copy_of({40, 72}, {72, 1}, {1, 40}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->along_x.size, 72);
  EXPECT_EQ(plan->along_y.size, 40);
}

TEST(EmulatedCopyPlan, OtherDimensionsAreABatch) {
  // [2, 3, 16, 24] from [3, 2, 24, 16], its rows 20 apart.
  const auto plan = tile_plan(into_contiguous({2, 3, 16, 24}, {24 * 20, 48 * 20, 1, 20}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->along_x.size, 16);
  EXPECT_EQ(plan->along_y.size, 24);
  EXPECT_EQ(plan->batches, 6);
  ASSERT_EQ(plan->batch.rank, 2);
  EXPECT_EQ(plan->batch.sizes[0], 2);
  EXPECT_EQ(plan->batch.steps[0][0], 3 * 16 * 24);
  EXPECT_EQ(plan->batch.steps[1][0], 24 * 20);
  EXPECT_EQ(plan->batch.steps[1][1], 48 * 20);
}

TEST(EmulatedCopyPlan, ADimensionBetweenIsABatch) {
  // [T, H, D] -> [D, H, T]
  const auto plan = tile_plan(into_contiguous({16, 3, 40}, {1, 16, 48}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->along_x.size, 16);
  EXPECT_EQ(plan->along_y.size, 40);
  EXPECT_EQ(plan->batches, 3);
}

TEST(EmulatedCopyPlan, RowsKeepTheirOrder) {
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {72, 1})));                 // dense
  EXPECT_FALSE(tile_plan(into_contiguous({2, 5, 3, 64}, {960, 64, 320, 1})));  // heads apart
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {80, 1})));                 // padded
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {1, 0})));                  // one column for all
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {0, 1})));                  // one row for all
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {72 * 3, 3})));             // a slice
  EXPECT_FALSE(tile_plan(copy_of({40, 72}, {1, 40}, {1, 40})));                // both transposed
}

TEST(EmulatedCopyPlan, ShortDimensionsTakeNoTile) {
  EXPECT_FALSE(tile_plan(into_contiguous({7, 72}, {1, 40})));
  EXPECT_FALSE(tile_plan(into_contiguous({40, 7}, {1, 40})));
  EXPECT_TRUE(tile_plan(into_contiguous({8, 16}, {1, 40})));
  // Rows of bf16 that share a sector are read at once anyhow.
  EXPECT_FALSE(tile_plan(into_contiguous({8, 16}, {1, 8})));
  EXPECT_TRUE(tile_plan(into_contiguous({8, 16}, {1, 8}, DType::f32)));
}

TEST(EmulatedCopyPlan, FarElementsTakeNoTile) {
  EXPECT_TRUE(tile_plan(into_contiguous({40, 72}, {2, 80})));
  EXPECT_FALSE(tile_plan(into_contiguous({40, 72}, {9, 9 * 40})));
  EXPECT_TRUE(tile_plan(copy_of({40, 72}, {1, 40}, {144, 2})));
  EXPECT_FALSE(tile_plan(copy_of({40, 72}, {1, 40}, {72 * 9, 9})));
}

TEST(EmulatedCopyPlan, PacksNeedAlignedRowsOnBothSides) {
  const auto takes = [](int width, CopyForwardArgs copy) {
    const auto plan = tile_plan(copy);
    return plan && plan->takes_packs(width, copy);
  };
  EXPECT_TRUE(takes(8, into_contiguous({40, 72}, {1, 40})));
  EXPECT_FALSE(takes(8, into_contiguous({40, 72}, {1, 44})));
  EXPECT_TRUE(takes(4, into_contiguous({40, 72}, {1, 44}, DType::f32)));
  EXPECT_FALSE(takes(8, into_contiguous({40, 68}, {1, 40})));
  EXPECT_FALSE(takes(8, into_contiguous({40, 72}, {2, 80})));
  EXPECT_FALSE(takes(8, copy_of({40, 72}, {1, 40}, {144, 2})));
  EXPECT_TRUE(takes(8, into_contiguous({3, 40, 72}, {40 * 72, 1, 40})));
  EXPECT_FALSE(takes(8, into_contiguous({3, 40, 72}, {40 * 72 + 4, 1, 40})));
  EXPECT_FALSE(takes(8, copy_of({3, 40, 72}, {40 * 72, 1, 40}, {40 * 72 + 4, 72, 1})));
  auto moved = into_contiguous({40, 72}, {1, 40});
  moved.x.data = reinterpret_cast<std::byte*>(memory.data()) + 2;
  EXPECT_FALSE(takes(8, moved));
  EXPECT_TRUE(takes(1, moved));
}

}  // namespace
}  // namespace lookback::kernels
