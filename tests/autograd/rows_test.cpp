#include "autograd/ops/detail/rows.h"

#include <gtest/gtest.h>

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor counted(std::int64_t count) {
  return make_f64({count}, [](std::int64_t i) { return static_cast<double>(i); });
}

enum class Memory { same, copied };

void expect_rows(const Tensor& x, std::int64_t rows, Memory memory) {
  const auto result = as_rows(x);
  ASSERT_EQ(result.shape(), (Shape{rows, x.size(-1)}));
  EXPECT_EQ(to_doubles(result), to_doubles(x));
  EXPECT_EQ(result.raw_data() == x.raw_data(), memory == Memory::same);
  EXPECT_TRUE(result.size(1) <= 1 || result.strides()[1] == 1);
  EXPECT_GE(result.strides()[0], result.size(1));
}

TEST(AsRows, WhatHasOneStrideBetweenRowsStaysWhereItIs) {
  const auto memory = counted(240);
  expect_rows(memory, 1, Memory::same);
  expect_rows(memory.alias({2, 3, 40}, {120, 40, 1}), 6, Memory::same);
  expect_rows(memory.alias({2, 3, 10}, {120, 40, 1}, 5), 6, Memory::same);
  expect_rows(memory.alias({2, 1, 3, 10}, {120, 7, 40, 1}), 6, Memory::same);
  expect_rows(memory.alias({3, 1}, {40, 9}), 3, Memory::same);
  expect_rows(memory.alias({1, 40}, {0, 1}), 1, Memory::same);
}

TEST(AsRows, WhatHasNotIsCopied) {
  const auto memory = counted(240);
  expect_rows(memory.alias({2, 3, 10}, {100, 40, 1}), 6,
              Memory::copied);  // a gap after each second
  expect_rows(memory.alias({3, 2, 40}, {40, 120, 1}), 6, Memory::copied);  // rows in another order
  expect_rows(memory.alias({40, 6}, {1, 40}), 40, Memory::copied);
  expect_rows(memory.alias({4, 40}, {0, 1}), 4, Memory::copied);   // one row, repeated
  expect_rows(memory.alias({4, 40}, {20, 1}), 4, Memory::copied);  // rows that overlap
}

TEST(AsRows, EmptyTensorsKeepTheirNumberOfRows) {
  EXPECT_EQ(as_rows(counted(0).alias({2, 3, 0}, {0, 0, 1})).shape(), (Shape{6, 0}));
  EXPECT_EQ(as_rows(counted(0).alias({0, 3, 5}, {15, 5, 1})).shape(), (Shape{0, 5}));
}

}  // namespace
}  // namespace lookback::testing
