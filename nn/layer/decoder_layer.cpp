#include "nn/layer/decoder_layer.h"

#include "autograd/ops/binary.h"
#include "nn/layer/model_hooks.h"

namespace lookback {

namespace {

std::string_view residual_of(const LlamaConfig& config) {
  return config.cross_layer_residual ? std::string_view(config.cross_layer_residual->source)
                                     : "plain";
}

}  // namespace

DecoderLayer::DecoderLayer(ChildOf place, const LlamaConfig& config, std::int64_t layer,
                           Precision precision)
    : Module(std::move(place)),
      input_layernorm({*this, "input_layernorm"}, config.hidden_size, config.rms_norm_eps,
                      precision),
      self_attn(
          AttentionMechanisms::make("causal", {*this, "self_attn"}, config, layer, precision)),
      post_attention_layernorm({*this, "post_attention_layernorm"}, config.hidden_size,
                               config.rms_norm_eps, precision),
      mlp({*this, "mlp"}, config, precision),
      residual(ResidualSchemes::make(residual_of(config), {*this, ""}, config, layer, precision)),
      index(layer) {}

RecordNeeds DecoderLayer::needs() const { return self_attn->needs() | residual->needs(); }

Tensor DecoderLayer::value_weight(const ForwardPass& pass) const {
  const auto fold = [&] {
    const Scope scope("folded_value");
    return self_attn->value_projection().weight * input_layernorm.weight;
  };
  auto* cache = pass.options.cache;
  return cache == nullptr ? fold() : cache->value_weight(pass.records.size(), fold);
}

ResidualSum DecoderLayer::forward(const ResidualSum& x, ForwardPass& pass) const {
  const auto scope = enter();
  LayerRecord record;
  auto [layer_input, normed] = input_layernorm.forward(x);
  normed = pass.hooks->input_norm(index, input_layernorm, layer_input, normed);
  const auto attended = self_attn->forward(normed, pass, record);
  const auto site = residual->after_attention(layer_input, attended, pass);
  const auto [stream, mlp_input] = post_attention_layernorm.forward(site);
  const auto own = mlp.forward(mlp_input);
  auto result =
      pass.hooks->layer_output(index, residual->after_mlp(layer_input, stream, own, pass));
  if (auto* trace = pass.options.trace) {
    // Added up apart from the norm that reads it, so that the hidden state is a tensor whose
    // gradient is whole: the same numbers.
    if (result.stream.defined() && result.update.defined()) {
      result = {result.stream + result.update, {}};
    }
    trace->hidden_states.push_back(layer_input);
    trace->attention_outputs.push_back(attended);
    trace->mlp_outputs.push_back(own);
  }
  if (pass.needs.attention_output) record.attention_output = attended;
  if (pass.needs.mlp_output) record.mlp_output = own;
  if (pass.needs.replay) record.value_weight = value_weight(pass);
  if (pass.needs.any()) {
    record.layer = this;
    pass.records.push_back(std::move(record));
  }
  return result;
}

}  // namespace lookback
