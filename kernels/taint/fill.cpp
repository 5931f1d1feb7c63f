#include "kernels/fill.h"

#include "kernels/taint/cells.h"

namespace lookback::kernels {
namespace {

void fill_known(const Fill& call) {
  const taint::Cells y(call.y);
  for (const auto offset : taint::all_offsets(call.y)) y.become(offset, call.value);
}

const Registration registered{fill, Backend::taint, fill_known};

}  // namespace
}  // namespace lookback::kernels
