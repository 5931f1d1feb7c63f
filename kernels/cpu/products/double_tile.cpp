// One thread's products in f64: Eigen's, called so that the bits of a row of the result follow from
// that row of a, from b and from k alone (gemm.h).
//
// Eigen's register kernel takes four rows at a time and sums what is left over (up to three rows,
// or a single row or column) in other orders. Those rows are filled up to four with zeros, and a
// single column to two.
#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_pieces.h"

namespace lookback::kernels {
namespace {

constexpr std::int64_t rows_at_once = 4;

enum class Use : std::uint8_t { left, right, result, count };
double* scratch(Use use, std::int64_t numbers) {
  thread_local std::array<std::vector<double>, static_cast<std::size_t>(Use::count)> kept;
  auto& block = kept[static_cast<std::size_t>(use)];
  if (block.size() < static_cast<std::size_t>(numbers)) {
    block.resize(static_cast<std::size_t>(numbers));
  }
  return block.data();
}

// Row-major copies of op(x), filled up with zeros.
struct Filled {
  std::int64_t rows, columns;
};
void copy_filled(const double* x, std::int64_t stride, Layout layout, const Filled& taken,
                 const Filled& filled, double* to) {
  for (std::int64_t i = 0; i < filled.rows; ++i) {
    double* row = to + i * filled.columns;
    const auto columns = i < taken.rows ? taken.columns : 0;
    for (std::int64_t j = 0; j < columns; ++j) row[j] = *operand_at(x, stride, layout, i, j);
    std::fill(row + columns, row + filled.columns, 0.0);
  }
}

void filled_product(const Gemm<double>& p) {
  auto filled = p;
  filled.m = round_up(p.m, rows_at_once);
  filled.n = std::max<std::int64_t>(p.n, 2);
  if (filled.m != p.m) {
    double* a = scratch(Use::left, filled.m * p.k);
    copy_filled(p.a, p.a_stride, p.a_layout, {p.m, p.k}, {filled.m, p.k}, a);
    filled.a = a;
    filled.a_stride = p.k;
    filled.a_layout = Layout::as_is;
  }
  if (filled.n != p.n) {
    double* b = scratch(Use::right, p.k * filled.n);
    copy_filled(p.b, p.b_stride, p.b_layout, {p.k, p.n}, {p.k, filled.n}, b);
    filled.b = b;
    filled.b_stride = filled.n;
    filled.b_layout = Layout::as_is;
  }
  filled.c = scratch(Use::result, filled.m * filled.n);
  filled.c_stride = filled.n;
  if (p.into == Into::sum) {
    copy_filled(p.c, p.c_stride, Layout::as_is, {p.m, p.n}, {filled.m, filled.n}, filled.c);
  }
  chosen_eigen_kernels().multiply(filled);
  for (std::int64_t i = 0; i < p.m; ++i) {
    std::copy_n(filled.c + i * filled.n, p.n, p.c + i * p.c_stride);
  }
}

}  // namespace

void tile_product(const Gemm<double>& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) return chosen_eigen_kernels().multiply(p);
  if (p.n == 1) return filled_product(p);
  auto whole = p;
  whole.m = p.m / rows_at_once * rows_at_once;
  if (whole.m > 0) chosen_eigen_kernels().multiply(whole);
  if (whole.m == p.m) return;
  auto rest = p;
  rest.m = p.m - whole.m;
  rest.a = operand_at(p.a, p.a_stride, p.a_layout, whole.m, 0);
  rest.c = p.c + whole.m * p.c_stride;
  filled_product(rest);
}

template <>
std::int64_t piece_depth<double>(std::int64_t k) {
  return chosen_eigen_kernels().depth(k);
}

template <>
TileSteps tile_steps<double>() {
  return {rows_at_once, chosen_eigen_kernels().column_step};
}

}  // namespace lookback::kernels
