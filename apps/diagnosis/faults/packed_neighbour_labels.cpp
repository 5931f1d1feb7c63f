// Rows and their labels are packed in a different order: each row is asked for the tokens of the
// next row of its batch.
#include <algorithm>

#include "apps/diagnosis/faults/fault.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class PackedNeighborLabels final : public FaultInjection {
 public:
  std::string_view description() const override { return "labels of the next row of the batch"; }
  Verdict verdict() const override { return Verdict::misaligned_targets; }
  Changes changes() const override { return {Change::loss, Change::step, Change::gradient}; }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    const auto here = on_host(healthy);
    const auto rows = here.elements<std::int64_t>();
    const auto result = empty_like(here);
    const auto row = static_cast<std::ptrdiff_t>(std::min(healthy.size(1), healthy.numel()));
    std::ranges::rotate_copy(rows, rows.begin() + row, result.elements<std::int64_t>().begin());
    return to_device(result, healthy.device());
  }
};

const AddFault<PackedNeighborLabels> registered{"packed_neighbour_labels"};

}  // namespace
}  // namespace lookback
