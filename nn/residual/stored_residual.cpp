// source = stored: the terms are the outputs of earlier layers as they were.
#include <fmt/format.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/binary.h"
#include "nn/layer/preset.h"
#include "nn/residual/cross_layer_scheme.h"

namespace lookback {
namespace {

class StoredResidual final : public CrossLayerScheme {
 public:
  StoredResidual(ChildOf place, const LlamaConfig& config, std::int64_t layer_index,
                 Precision precision)
      : CrossLayerScheme(std::move(place), config, layer_index, precision,
                         config.cross_layer_residual->site == Site::mlp ? "mlp_residual_weights"
                                                                        : "attn_residual_weights") {
  }

  RecordNeeds needs() const override {
    return cross_.site == Site::mlp ? RecordNeeds{.mlp_output = true}
                                    : RecordNeeds{.attention_output = true};
  }

  // Where the sum replaces the stream, what the layer before the last leaves in it is cut off, and
  // no layer runs it again.
  std::vector<std::string> inert(const LlamaConfig& config) const override {
    auto names = CrossLayerScheme::inert(config);
    if (names.empty() || cross_.stream != CrossLayerResidual::Stream::replace) return names;
    std::vector<std::string_view> parts{"modified_residual_", "mlp_residual_weights",
                                        "attn_residual_weights"};
    if (cross_.site == Site::attention)
      parts.insert(parts.end(), mlp_parts.begin(), mlp_parts.end());
    for (const auto part : parts) names.push_back(fmt::format("{}.{}", layer_ - 1, part));
    return names;
  }

 private:
  Tensor earlier_total(const Tensor&, const ForwardPass& pass,
                       const LayerWeights& weights) const override {
    Tensor total;
    for (std::size_t i = 0; i < pass.records.size(); ++i) {
      const auto& record = pass.records[i];
      auto term = cross_.site == Site::mlp ? record.mlp_output : record.attention_output;
      if (!weights.each.empty()) term = term * weights.each[i];
      total = total.defined() ? total + term : term;
      if (pass.options.trace != nullptr) {
        const NoGrad no_grad;
        trace_term(pass, static_cast<std::int64_t>(i), term * weights.uniform);
      }
    }
    return weights.uniform == 1 ? total : total * weights.uniform;
  }
};

class StoredKind final : public ResidualKind {
 public:
  std::unique_ptr<ResidualScheme> make(const ChildOf& place, const LlamaConfig& config,
                                       std::int64_t layer, Precision precision) const override {
    return std::make_unique<StoredResidual>(place, config, layer, precision);
  }
  std::string_view terms() const override { return "stored"; }
  std::string_view ladder_step() const override {
    return "recording: outputs of earlier layers, as they were";
  }
};

const ResidualSchemes::Add registered{"stored", [] { return std::make_unique<StoredKind>(); }};

const RegisteredPresets::Add stored1{
    "stored1",
    {.description = "adds the mean of all MLP outputs so far, as they were",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "stored", "weights": "mean",
                   "stream": "add", "include_self": true}})"}};
const RegisteredPresets::Add stored2{
    "stored2",
    {.description = "adds the mean of all attention outputs so far, as they were",
     .config = R"({"cross_layer_residual": {"site": "attention", "source": "stored",
                   "weights": "mean", "stream": "add", "include_self": true}})"}};
const RegisteredPresets::Add stored3{
    "stored3",
    {.description = "adds a learned average of all MLP outputs so far, as they were",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "stored",
                   "weights": "learned", "stream": "add", "include_self": true}})"}};

}  // namespace
}  // namespace lookback
