#include <limits>

#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

void add_rows(const In& x, std::vector<SourceSet>& rows) {
  const Cells cells(x);
  const auto starts = offsets_over(x, 0, x.rank() - 1);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::int64_t i = 0; i < x.size(-1); ++i) {
      rows[row] |= cells.set(starts[row] + i * x.stride(-1));
    }
  }
}

// An output of x's rank has rows of its own; one of a rank less has one element per row.
void write_rows(const Out& y, int rank, const std::vector<SourceSet>& rows) {
  const Cells cells(y);
  const bool one_each = y.rank() < rank;
  const auto starts = offsets_over(y, 0, one_each ? y.rank() : y.rank() - 1);
  const auto columns = one_each ? 1 : y.size(-1);
  const auto step = one_each ? 0 : y.stride(-1);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::int64_t i = 0; i < columns; ++i) cells.depend(starts[row] + i * step, rows[row]);
  }
}

}  // namespace

void run(const EachRowCall& call, const OnCpu&) {
  const auto& x = call.rows.front();
  SourceSet everywhere = 0;
  for (const auto& shared : call.shared) everywhere |= union_of(shared);
  const auto row_count = offsets_over(x, 0, x.rank() - 1).size();
  std::vector<SourceSet> rows(row_count, everywhere);
  for (const auto& each : call.rows) add_rows(each, rows);
  for (const auto& y : call.y) write_rows(y, x.rank(), rows);
}

void run(const SoftmaxCall& call, const OnCpu&) {
  constexpr auto hidden = -std::numeric_limits<double>::infinity();
  const Cells x(call.x), y(call.y);
  const auto x_starts = offsets_over(call.x, 0, call.x.rank() - 1);
  const auto y_starts = offsets_over(call.y, 0, call.y.rank() - 1);
  for (std::size_t row = 0; row < x_starts.size(); ++row) {
    const auto in = [&](std::int64_t i) { return x_starts[row] + i * call.x.stride(-1); };
    SourceSet visible = 0;
    for (std::int64_t i = 0; i < call.x.size(-1); ++i) visible |= x.set(in(i));
    for (std::int64_t i = 0; i < call.y.size(-1); ++i) {
      const auto out = y_starts[row] + i * call.y.stride(-1);
      if (x.is_known(in(i), hidden)) {
        y.become(out, 0);
      } else {
        y.depend(out, visible);
      }
    }
  }
}

void run(const EverythingCall& call, const OnCpu&) {
  SourceSet all = 0;
  for (const auto& x : call.x) all |= union_of(x);
  for (const auto& operand : call.y) {
    const Cells y(operand);
    for (const auto offset : all_offsets(operand)) y.depend(offset, all);
  }
}

void run(const ReduceCall& call, const OnCpu&) {
  const Cells x(call.x);
  const auto x_offsets = all_offsets(call.x);
  for (const auto& operand : call.y) {
    const Cells y(operand);
    for (const auto offset : all_offsets(operand)) y.depend(offset, 0);
    const auto y_offsets = all_offsets(broadcast_view(operand, call.x.sizes));
    for (std::size_t i = 0; i < x_offsets.size(); ++i) {
      y.depend(y_offsets[i], y.set(y_offsets[i]) | x.set(x_offsets[i]));
    }
  }
}

}  // namespace lookback::kernels::taint
