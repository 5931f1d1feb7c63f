// Copies between views of any strides on a GPU, beside the CPU's: every pair of dtypes, sizes
// around those of a tile, rows that packs can and cannot be read from, results that are views too.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "kernels/copy.h"
#include "tests/gpu.h"

namespace lookback::kernels {
namespace {

using testing::bits_of;
using testing::gpu;
using testing::why_no_gpu;

constexpr std::array all_dtypes = {DType::f32, DType::f64, DType::bf16, DType::i64, DType::u8};

class CopiesOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

Tensor numbers(const Shape& shape, DType dtype) {
  const auto x = empty(shape, DType::f64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<double>()[i] = static_cast<double>(i * 7 % 251);
  }
  const auto result = empty(shape, dtype);
  copy_forward(Backend::cpu, {.x = x, .y = result});
  return result;
}

// A view of `order`'s dimensions of memory that holds them in the order 0, 1, ..; each row
// `padding` longer than it need be, and the first element `offset` behind the memory's.
struct Layout {
  std::vector<int> order;
  std::int64_t padding = 0, offset = 0, gap = 1;

  Tensor view(const Tensor& memory, const Shape& sizes) const {
    return memory.alias(permuted(sizes), permuted(strides(sizes)), offset);
  }
  Tensor memory(const Shape& sizes, DType dtype) const {
    std::int64_t count = offset + 1;
    for (int dim = 0; dim < sizes.rank(); ++dim) {
      if (sizes[dim] == 0) return numbers({offset}, dtype);
      count += (sizes[dim] - 1) * strides(sizes)[dim];
    }
    return numbers({count}, dtype);
  }

 private:
  Strides strides(const Shape& sizes) const {
    auto padded = sizes;
    padded[-1] += padding;
    auto result = contiguous_strides(padded);
    for (auto& stride : result) stride *= gap;
    return result;
  }
  Shape permuted(const Shape& by_memory) const {
    Shape result;
    for (const int dim : order) result.push_back(by_memory[dim]);
    return result;
  }
};

Shape in_order(const Shape& sizes, const std::vector<int>& order) {
  Shape result;
  for (const int dim : order) result.push_back(sizes[dim]);
  return result;
}

// y = x on both devices, and what lies between y's elements stays as it was. The elements of x are
// `sizes` in memory's order; y's shape is that of x's view.
void expect_as_on_cpu(const Shape& sizes, const Layout& of_x, DType from, const Layout& of_y,
                      DType to) {
  SCOPED_TRACE(std::string(name_of(from)) + " to " + std::string(name_of(to)) + ", " +
               to_string(sizes));
  // y's memory holds the sizes that give x's shape once y's own order is applied.
  const auto shape = in_order(sizes, of_x.order);
  auto y_sizes = shape;
  for (int dim = 0; dim < shape.rank(); ++dim) {
    y_sizes[of_y.order[static_cast<std::size_t>(dim)]] = shape[dim];
  }
  const auto x = of_x.memory(sizes, from), expected = of_y.memory(y_sizes, to);
  const auto x_there = to_device(x, gpu()), y_there = to_device(expected, gpu());
  copy_forward(Backend::cuda, {.x = of_x.view(x_there, sizes), .y = of_y.view(y_there, y_sizes)});
  copy_forward(Backend::cpu, {.x = of_x.view(x, sizes), .y = of_y.view(expected, y_sizes)});
  EXPECT_EQ(bits_of(y_there), bits_of(expected));
}

TEST_F(CopiesOnGpu, TransposeMatricesOfAnySize) {
  constexpr std::array<std::int64_t, 9> sizes = {0, 1, 8, 31, 33, 64, 72, 127, 1025};
  for (const auto rows : sizes) {
    for (const auto columns : sizes) {
      if (rows * columns > 150000) continue;
      for (const auto dtype : all_dtypes) {
        expect_as_on_cpu({rows, columns}, {{1, 0}}, dtype, {{0, 1}}, dtype);
      }
    }
  }
}

TEST_F(CopiesOnGpu, ConvertWhileTheyTranspose) {
  for (const auto from : all_dtypes) {
    for (const auto to : all_dtypes) {
      for (const auto& sizes : {Shape{40, 72}, Shape{33, 65}}) {
        expect_as_on_cpu(sizes, {{1, 0}}, from, {{0, 1}}, to);
        expect_as_on_cpu(sizes, {{0, 1}}, from, {{1, 0}}, to);
      }
    }
  }
}

TEST_F(CopiesOnGpu, KeepBatchesInFrontAndBetween) {
  for (const auto dtype : all_dtypes) {
    for (const std::int64_t width : {16, 24, 65}) {
      expect_as_on_cpu({2, 3, 24, width}, {{0, 1, 3, 2}}, dtype, {{0, 1, 2, 3}}, dtype);
      expect_as_on_cpu({2, 3, 24, width}, {{3, 1, 2, 0}}, dtype, {{0, 1, 2, 3}}, dtype);
      expect_as_on_cpu({16, 2, 3, width}, {{3, 1, 2, 0}}, dtype, {{0, 1, 2, 3}}, dtype);
      expect_as_on_cpu({2, 24, 3, width}, {{0, 2, 1, 3}}, dtype, {{0, 1, 2, 3}}, dtype);
      expect_as_on_cpu({2, 24, 3, width}, {{0, 3, 2, 1}}, dtype, {{2, 0, 1, 3}}, dtype);
      expect_as_on_cpu({3, 2, 9, 2, 10, width}, {{5, 0, 3, 1, 4, 2}}, dtype, {{0, 1, 2, 3, 4, 5}},
                       dtype);
    }
  }
}

// Rows that begin at odd places, padding that y must keep, elements with gaps between them.
TEST_F(CopiesOnGpu, LeaveWhatLiesBetweenAlone) {
  for (const auto dtype : all_dtypes) {
    for (const std::int64_t padding : {0, 1, 8}) {
      for (const std::int64_t offset : {0, 1, 16}) {
        for (const std::int64_t gap : {1, 2}) {
          const Layout across{{1, 0}, padding, offset, gap}, along{{0, 1}, padding, offset, gap};
          expect_as_on_cpu({40, 72}, across, dtype, {{0, 1}}, dtype);
          expect_as_on_cpu({40, 72}, {{0, 1}}, dtype, across, dtype);
          expect_as_on_cpu({40, 72}, across, dtype, along, dtype);
          expect_as_on_cpu({40, 72}, across, dtype, across, dtype);
        }
      }
    }
  }
}

TEST_F(CopiesOnGpu, BroadcastWhileTheyTranspose) {
  const auto x = numbers({40, 1, 72}, DType::f32);
  const auto expected = empty({72, 3, 40}, DType::f32);
  const auto there = to_device(x, gpu()), y = empty({72, 3, 40}, DType::f32, gpu());
  const Shape shape{72, 1, 40};
  const Strides strides{1, 72, 72};
  copy_forward(Backend::cpu, {.x = x.alias(shape, strides), .y = expected});
  copy_forward(Backend::cuda, {.x = there.alias(shape, strides), .y = y});
  EXPECT_EQ(bits_of(y), bits_of(expected));
}

}  // namespace
}  // namespace lookback::kernels
