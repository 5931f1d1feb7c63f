// A NaN at the last position of a layer's output. The loss leaves that position out, so the logged
// number stays fine.
#include <limits>

#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/copy_of.h"
#include "autograd/ops/slice.h"
#include "kernels/fill.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class HiddenNan final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1 leaves a NaN at the last position, and the loss leaves that position out";
  }
  Verdict verdict() const override { return Verdict::non_finite; }
  Changes changes() const override {
    return {Change::logits,        Change::evaluated, Change::short_logits,
            Change::scaled_logits, Change::step,      Change::gradient};
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_two_layers(config);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    const auto tokens = healthy.stream.size(1);
    if (layer != 1 || tokens == 1) return healthy;
    const auto last = empty({healthy.stream.size(0), 1, healthy.stream.size(2)},
                            healthy.stream.dtype(), healthy.stream.device());
    kernels::fill(last.backend(), {.y = last, .value = std::numeric_limits<double>::quiet_NaN()});
    return {cat({slice(healthy.stream, 1, 0, tokens - 1), last}, 1), healthy.update};
  }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    const auto tokens = healthy.size(1);
    const auto result = on_host(copy_of(healthy));
    auto* target = result.data<std::int64_t>();
    for (auto i = tokens - 1; tokens > 1 && i < result.numel(); i += tokens) target[i] = -100;
    return to_device(result, healthy.device());
  }
};

const AddFault<HiddenNan> registered{"hidden_nan"};

}  // namespace
}  // namespace lookback
