// The plain Llama: each site adds the layer's own output to the stream.
#include "nn/layer/residual_scheme.h"

namespace lookback {
namespace {

class PlainResidual final : public ResidualScheme {
 public:
  using ResidualScheme::ResidualScheme;
  ResidualSum after_attention(const Tensor& layer_input, const Tensor& own,
                              const ForwardPass&) const override {
    return {layer_input, own};
  }

  ResidualSum after_mlp(const Tensor&, const Tensor& stream, const Tensor& own,
                        const ForwardPass&) const override {
    return {stream, own};
  }

  RecordNeeds needs() const override { return {}; }
};

const ResidualSchemes::Add registered{
    "plain", [](const ChildOf& place, const LlamaConfig&, std::int64_t, Precision) {
      return std::make_unique<PlainResidual>(place);
    }};

}  // namespace
}  // namespace lookback
