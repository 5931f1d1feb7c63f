#pragma once

#include <memory>

#include "nn/layer/attention_mechanism.h"
#include "nn/layer/mlp.h"
#include "nn/layer/residual_scheme.h"
#include "nn/rms_norm.h"

namespace lookback {

// One layer: x + attention(rms_norm(x)), then h + mlp(rms_norm(h)), where the residual scheme says
// what is added. Its three openings are filled from the registries.
class DecoderLayer final : public Module {
 public:
  DecoderLayer(ChildOf place, const LlamaConfig& config, std::int64_t layer, Precision precision);

  // Runs the layer; appends its record to the pass where a scheme of the model needs one.
  ResidualSum forward(const ResidualSum& x, ForwardPass& pass) const;
  RecordNeeds needs() const;
  // The parameters whose gradient is zero by construction, as prefixes of names below model.layers.
  std::vector<std::string> inert(const LlamaConfig& config) const;

  RmsNorm input_layernorm;
  std::unique_ptr<const AttentionMechanism> self_attn;
  RmsNorm post_attention_layernorm;
  LlamaMlp mlp;

 private:
  // W^V with the gain of the norm before it folded into its columns: once per pass, or once per
  // generation.
  Tensor value_weight(const LinearValues& linear, const ForwardPass& pass) const;
  // Writes into the pass's trace, where there is one; the output, whole where it is looked at.
  static ResidualSum traced(const ResidualSum& output, const Tensor& layer_input,
                            const Tensor& attended, const Tensor& own, const ForwardPass& pass);
  void leave_record(LayerRecord record, const Tensor& attended, const Tensor& own,
                    ForwardPass& pass) const;

  std::unique_ptr<const ResidualScheme> residual_;
  std::int64_t index_;
};

}  // namespace lookback
