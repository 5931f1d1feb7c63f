#include "kernels/cuda/pick_rows.h"

#include "kernels/cuda/device/pack.h"

namespace lookback::kernels {
namespace {

// A thread per unit: an element, or 16 bytes of a row.
template <class Unit>
struct Pick {
  static constexpr int threads = 256;
  const Unit* x;
  const std::int64_t* index;
  Unit* y;
  std::int64_t units, units_per_row, picked;
  IndexCheck check;

  LOOKBACK_DEVICE void operator()() const {
    const auto at = device::block_index() * threads + device::thread_index();
    if (at >= units) return;
    const auto row = at / units_per_row;
    const auto outer = row / picked, position = row - outer * picked;
    const auto from = check(index[position], position), limit = check.rule.limit;
    if (limit == 0) {
      y[at] = Unit{};
    } else {
      y[at] = x[(outer * limit + from) * units_per_row + (at - row * units_per_row)];
    }
  }
};

template <class Unit>
void pick(const PickedRows& rows, std::int64_t row_bytes) {
  const auto units_per_row = row_bytes / static_cast<std::int64_t>(sizeof(Unit));
  const Pick<Unit> kernel{static_cast<const Unit*>(rows.x),
                          rows.index,
                          static_cast<Unit*>(rows.y),
                          rows.outer * rows.picked * units_per_row,
                          units_per_row,
                          rows.picked,
                          rows.check};
  device::launch({.blocks = device::blocks_for(kernel.units, kernel.threads)}, kernel);
}

}  // namespace

void pick_rows(const PickedRows& rows) {
  using Unit = Pack<std::uint64_t, 2>;
  const auto row_bytes = rows.inner * static_cast<std::int64_t>(size_of(rows.dtype));
  if (row_bytes % 16 == 0 && is_aligned<std::uint64_t>(rows.x, 2) &&
      is_aligned<std::uint64_t>(rows.y, 2)) {
    pick<Unit>(rows, row_bytes);
    return;
  }
  visit_any(rows.dtype, [&]<class T>(TypeTag<T>) { pick<T>(rows, row_bytes); });
}

}  // namespace lookback::kernels
