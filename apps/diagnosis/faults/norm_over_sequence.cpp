// The input norm of layer 1 takes its statistics over the tokens, one per feature, in place of over
// the features, one per token.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/transpose.h"
#include "kernels/fill.h"
#include "nn/rms_norm.h"

namespace lookback {
namespace {

constexpr double epsilon = 1e-6;

class NormOverSequence final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1's input norm takes its statistics over the tokens, not the features";
  }
  Verdict verdict() const override { return Verdict::wrong_normalisation; }
  Changes changes() const override { return forward_changes(); }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const auto& cross = config.cross_layer_residual;
    const bool unread = cross && !cross->include_self && config.num_hidden_layers == 2 &&
                        cross->site == CrossLayerResidual::Site::attention;
    return unread ? "a layer 1 whose own attention is read" : without_two_layers(config);
  }
  Tensor input_norm(std::int64_t layer, const RmsNorm& norm, const Tensor& x,
                    const Tensor& healthy) const override {
    if (layer != 1) return healthy;
    const Scope scope(norm.name());
    const auto ones = empty({x.size(1)}, x.dtype(), x.device());
    kernels::fill(ones.backend(), {.y = ones, .value = 1});
    return transpose(rms_norm(transpose(x, 1, 2), ones, epsilon), 1, 2) * norm.weight;
  }
};

const AddFault<NormOverSequence> registered{"norm_over_sequence"};

}  // namespace
}  // namespace lookback
