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

class PlainKind final : public ResidualKind {
 public:
  std::unique_ptr<ResidualScheme> make(const ChildOf& place, const LlamaConfig&, std::int64_t,
                                       Precision) const override {
    return std::make_unique<PlainResidual>(place);
  }
  std::string_view terms() const override { return "none"; }
};

const ResidualSchemes::Add registered{std::string(ResidualKind::default_name),
                                      [] { return std::make_unique<PlainKind>(); }};

}  // namespace
}  // namespace lookback
