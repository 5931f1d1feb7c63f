#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

// One matrix: its cells copied into rows, and whether any of them is a known 0.
struct Matrix {
  std::vector<SourceSet> sets;      // [rows, columns]
  std::vector<std::uint8_t> zeros;  // empty: no cell is a known 0
  std::int64_t rows, columns;

  bool zero(std::int64_t row, std::int64_t column) const {
    return !zeros.empty() && zeros[static_cast<std::size_t>(row * columns + column)] != 0;
  }
  SourceSet set(std::int64_t row, std::int64_t column) const {
    return sets[static_cast<std::size_t>(row * columns + column)];
  }
};

Matrix matrix_at(const In& x, std::int64_t start) {
  const Cells cells(x);
  Matrix matrix{.sets = {}, .zeros = {}, .rows = x.size(-2), .columns = x.size(-1)};
  const auto count = static_cast<std::size_t>(matrix.rows * matrix.columns);
  matrix.sets.resize(count);
  std::size_t at = 0;
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    for (std::int64_t column = 0; column < matrix.columns; ++column, ++at) {
      const auto offset = start + row * x.stride(-2) + column * x.stride(-1);
      matrix.sets[at] = cells.set(offset);
      if (!cells.is_known(offset, 0)) continue;
      if (matrix.zeros.empty()) matrix.zeros.assign(count, 0);
      matrix.zeros[at] = 1;
    }
  }
  return matrix;
}

// y[m, n] |= union over the k for which neither a[m, k] nor b[k, n] is a known 0.
void add_product(const Matrix& a, const Matrix& b, std::vector<SourceSet>& y) {
  for (std::int64_t m = 0; m < a.rows; ++m) {
    auto* const row = y.data() + m * b.columns;
    for (std::int64_t k = 0; k < a.columns; ++k) {
      if (a.zero(m, k)) continue;
      for (std::int64_t n = 0; n < b.columns; ++n) {
        if (!b.zero(k, n)) row[n] |= a.set(m, k) | b.set(k, n);
      }
    }
  }
}

// The same where no cell of either is a known 0: what row m holds, and what column n holds.
void add_whole_product(const Matrix& a, const Matrix& b, std::vector<SourceSet>& y) {
  std::vector<SourceSet> columns(static_cast<std::size_t>(b.columns));
  for (std::int64_t k = 0; k < b.rows; ++k) {
    for (std::int64_t n = 0; n < b.columns; ++n)
      columns[static_cast<std::size_t>(n)] |= b.set(k, n);
  }
  for (std::int64_t m = 0; m < a.rows; ++m) {
    SourceSet row = 0;
    for (std::int64_t k = 0; k < a.columns; ++k) row |= a.set(m, k);
    for (std::int64_t n = 0; n < b.columns; ++n) {
      y[static_cast<std::size_t>(m * b.columns + n)] |= row | columns[static_cast<std::size_t>(n)];
    }
  }
}

}  // namespace

void run(const ContractCall& call, const OnCpu&) {
  const Cells y(call.y);
  const int rank = call.y.rank();
  const auto rows = call.y.size(-2), columns = call.y.size(-1);
  const auto starts = offsets_over(call.y, 0, rank - 2);
  // The leading dimensions of a and b broadcast to y's.
  const auto starts_of = [&](const In& x) {
    auto shape = call.y.sizes;
    shape[-2] = x.size(-2);
    shape[-1] = x.size(-1);
    return offsets_over(broadcast_view(x, shape), 0, rank - 2);
  };
  std::vector<SourceSet> added(static_cast<std::size_t>(columns));
  if (call.added.present()) {
    const Cells bias(call.added);
    for (std::int64_t n = 0; n < columns; ++n) {
      added[static_cast<std::size_t>(n)] = bias.set(n * call.added.stride(-1));
    }
  }
  for (std::size_t batch = 0; batch < starts.size(); ++batch) {
    std::vector<SourceSet> result;
    for (std::int64_t m = 0; m < rows; ++m) result.insert(result.end(), added.begin(), added.end());
    for (std::size_t i = 0; i < call.a.size(); ++i) {
      const auto a = matrix_at(call.a[i], starts_of(call.a[i])[batch]);
      const auto b = matrix_at(call.b[i], starts_of(call.b[i])[batch]);
      if (a.zeros.empty() && b.zeros.empty()) {
        add_whole_product(a, b, result);
      } else {
        add_product(a, b, result);
      }
    }
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < columns; ++n) {
        y.depend(starts[batch] + m * call.y.stride(-2) + n * call.y.stride(-1),
                 result[static_cast<std::size_t>(m * columns + n)]);
      }
    }
  }
}

}  // namespace lookback::kernels::taint
