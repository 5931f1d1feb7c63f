// One thread's products in f32, cut into blocks that fit the caches; operands in bf16 are converted
// as they are packed. The bits of an output are float_panels.h's, block of k after block of k.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/gemm_pieces.h"
#include "kernels/cpu/products/float_panels.h"

namespace lookback::kernels {

// An operand packed whole, in blocks of k of a given depth, on all threads, for the tiles that
// share it. It lies in scratch of the thread that asks for it: until that thread's next.
class PackedLeft {
 public:
  template <class T>
  PackedLeft(const Matrix<T>& a, std::int64_t m, std::int64_t k, std::int64_t depth);
  // Rows from `row`, where a panel begins, of the block that begins at k.
  LeftPanels block(std::int64_t row, std::int64_t k) const;

 private:
  float* data_;
  bool rows_;
  std::int64_t m_, k_, depth_, of_element_;  // k and depth in elements of panels
};
class PackedRight {
 public:
  template <class T>
  PackedRight(const Matrix<T>& b, std::int64_t k, std::int64_t n, std::int64_t depth);
  // Columns from `column`, where a panel begins, of the block that begins at k.
  RightPanels block(std::int64_t k, std::int64_t column) const;

 private:
  float* data_;
  std::int64_t k_, n_, depth_, of_element_;
};

// A product whose operands begin at `row` and `column` of the packed ones, where there are any. Its
// blocks of k are `depth` deep: that of the whole sum, of which it may be a part.
template <class T>
struct FloatTile {
  Gemm<T, float> product;
  std::int64_t depth = 0;
  const PackedLeft* a = nullptr;
  std::int64_t row = 0;
  const PackedRight* b = nullptr;
  std::int64_t column = 0;
};
void multiply_tile(const FloatTile<float>& tile);
void multiply_tile(const FloatTile<BFloat16>& tile);

}  // namespace lookback::kernels
