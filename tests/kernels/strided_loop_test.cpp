#include "kernels/cpu/strided_loop.h"

#include <gtest/gtest.h>

#include "kernels/copy.h"
#include "runtime/tensor.h"

namespace lookback::kernels {
namespace {

// More elements than one chunk of the parallel loop, rows that no chunk's size is a multiple of.
TEST(StridedLoop, VisitsEveryElementOnceAcrossChunks) {
  const std::int64_t planes = 31, rows = 67, columns = 41;
  const auto x = empty({planes, rows, columns}, DType::i64);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<std::int64_t>()[i] = i;
  const auto permuted = x.alias({columns, planes, rows}, {1, rows * columns, columns});
  const auto y = zeros({columns, planes, rows}, DType::i64);
  copy_forward(Backend::cpu, {.x = permuted, .y = y});
  std::int64_t wrong = 0;
  for (std::int64_t c = 0, i = 0; c < columns; ++c) {
    for (std::int64_t p = 0; p < planes; ++p) {
      for (std::int64_t r = 0; r < rows; ++r, ++i) {
        wrong += y.data<std::int64_t>()[i] != (p * rows + r) * columns + c;
      }
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(StridedLoop, BroadcastsAndMergesInAnyOrder) {
  const auto x = empty({3, 1, 5}, DType::f64);
  for (std::int64_t i = 0; i < 15; ++i) x.data<double>()[i] = static_cast<double>(i);
  const auto memory = zeros({5 * 4 * 3}, DType::f64);
  const auto y = memory.alias({3, 4, 5}, {1, 3, 12});
  const Out target(y);
  map_elements<double>(
      target, [](double value) { return value + 1; }, In(x));
  for (std::int64_t i = 0; i < 60; ++i) {
    const auto column = i / 12, plane = i % 3;
    EXPECT_EQ(memory.data<double>()[i], static_cast<double>(plane * 5 + column + 1)) << i;
  }
}

}  // namespace
}  // namespace lookback::kernels
