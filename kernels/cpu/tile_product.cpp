// One thread's products in f32 and f64: Eigen's, called so that the bits of a row of the result
// follow from that row of a, from b and from k alone (gemm.h).
//
// Eigen's register kernel takes four rows at a time and sums what is left over (up to three rows,
// or a single row or column) in other orders. Those rows have a kernel of their own that repeats
// its order (few_rows.h), where that is one chain; else they are filled up to four with zeros, and
// a single column to two.
#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cpu/few_rows.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_pieces.h"

namespace lookback::kernels {
namespace {

template <class T>
T* scratch(std::size_t which, std::int64_t numbers) {
  thread_local std::array<std::vector<T>, 3> blocks;
  auto& block = blocks[which];
  if (block.size() < static_cast<std::size_t>(numbers)) {
    block.resize(static_cast<std::size_t>(numbers));
  }
  return block.data();
}

void eigen_product(const Gemm<float>& p) { chosen_tile_kernels().f32(p); }
void eigen_product(const Gemm<double>& p) { chosen_tile_kernels().f64(p); }

// Row-major copies of op(x), filled up with zeros.
template <class T>
void copy_filled(const T* x, std::int64_t stride, Layout layout, std::int64_t rows,
                 std::int64_t columns, std::int64_t filled_rows, std::int64_t filled_columns,
                 T* to) {
  const auto row_step = layout == Layout::as_is ? stride : 1;
  const auto column_step = layout == Layout::as_is ? 1 : stride;
  for (std::int64_t i = 0; i < filled_rows; ++i) {
    T* row = to + i * filled_columns;
    const auto columns_here = i < rows ? columns : 0;
    for (std::int64_t j = 0; j < columns_here; ++j) row[j] = x[i * row_step + j * column_step];
    std::fill(row + columns_here, row + filled_columns, T{0});
  }
}

template <class T>
void filled_product(const Gemm<T>& p) {
  const auto rows = filled_rows(p.m);
  const auto columns = std::max<std::int64_t>(p.n, 2);
  auto filled = p;
  filled.m = rows;
  filled.n = columns;
  if (rows != p.m) {
    T* a = scratch<T>(0, rows * p.k);
    copy_filled(p.a, p.a_stride, p.a_layout, p.m, p.k, rows, p.k, a);
    filled.a = a;
    filled.a_stride = p.k;
    filled.a_layout = Layout::as_is;
  }
  if (columns != p.n) {
    T* b = scratch<T>(1, p.k * columns);
    copy_filled(p.b, p.b_stride, p.b_layout, p.k, p.n, p.k, columns, b);
    filled.b = b;
    filled.b_stride = columns;
    filled.b_layout = Layout::as_is;
  }
  filled.c = scratch<T>(2, rows * columns);
  filled.c_stride = columns;
  if (p.into == Into::sum) {
    copy_filled<T>(p.c, p.c_stride, Layout::as_is, p.m, p.n, rows, columns, filled.c);
  }
  eigen_product(filled);
  for (std::int64_t i = 0; i < p.m; ++i) {
    std::copy_n(filled.c + i * columns, p.n, p.c + i * p.c_stride);
  }
}

// Fewer rows than Eigen takes at once.
void short_product(const Gemm<double>& p) { filled_product(p); }

void short_product(const Gemm<float>& p) {
  const auto in_one_chain = columns_of_few_rows(p.n);
  if (in_one_chain > 0) {
    auto first = p;
    first.n = in_one_chain;
    if (p.a_layout == Layout::transposed) {
      float* a = scratch<float>(0, p.m * p.k);
      copy_filled(p.a, p.a_stride, p.a_layout, p.m, p.k, p.m, p.k, a);
      first.a = a;
      first.a_stride = p.k;
      first.a_layout = Layout::as_is;
    }
    few_rows_in_pieces(first);
  }
  auto rest = p;
  rest.n = p.n - in_one_chain;
  rest.b = operand_at(p.b, p.b_stride, p.b_layout, 0, in_one_chain);
  rest.c = p.c + in_one_chain;
  if (rest.n > 0) filled_product(rest);
}

template <class T>
void product(const Gemm<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) return eigen_product(p);
  if (p.n == 1) return filled_product(p);
  auto whole = p;
  whole.m = p.m / rows_at_once * rows_at_once;
  if (whole.m > 0) eigen_product(whole);
  if (whole.m == p.m) return;
  auto rest = p;
  rest.m = p.m - whole.m;
  rest.a = operand_at(p.a, p.a_stride, p.a_layout, whole.m, 0);
  rest.c = p.c + whole.m * p.c_stride;
  short_product(rest);
}

}  // namespace

// Without fused multiply-adds, and in the columns behind the last whole step, Eigen does not sum in
// one chain of them.
std::int64_t columns_of_few_rows(std::int64_t n) {
  const auto step = chosen_tile_kernels().column_step;
  const bool one_chain = product_isa() != Isa::baseline && few_rows_are_fused();
  return one_chain ? n / step * step : 0;
}

void tile_product(const Gemm<float>& p) { product(p); }
void tile_product(const Gemm<double>& p) { product(p); }

}  // namespace lookback::kernels
