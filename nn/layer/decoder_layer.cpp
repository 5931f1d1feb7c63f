#include "nn/layer/decoder_layer.h"

#include "autograd/ops/add.h"
#include "autograd/ops/multiply.h"
#include "nn/fault/fault.h"

namespace lookback {

namespace {

std::string_view residual_of(const LlamaConfig& config) {
  return config.cross_layer_residual ? std::string_view(config.cross_layer_residual->source)
                                     : "plain";
}

}  // namespace

DecoderLayer::DecoderLayer(const LlamaConfig& config, std::int64_t layer, Precision precision)
    : input_layernorm(config.hidden_size, config.rms_norm_eps, precision),
      post_attention_layernorm(config.hidden_size, config.rms_norm_eps, precision),
      mlp(config, precision),
      index(layer),
      attention(AttentionMechanisms::make("causal", config, layer, precision)),
      residual(ResidualSchemes::make(residual_of(config), config, layer, precision)) {
  register_module("input_layernorm", input_layernorm);
  register_module("self_attn", *attention);
  register_module("post_attention_layernorm", post_attention_layernorm);
  register_module("mlp", mlp);
  register_module("", *residual);
}

RecordNeeds DecoderLayer::needs() const { return attention->needs() | residual->needs(); }

Tensor DecoderLayer::value_weight(const ForwardPass& pass) const {
  const auto fold = [&] {
    const Scope scope("folded_value");
    return attention->value_projection().weight * input_layernorm.weight;
  };
  auto* cache = pass.options.cache;
  return cache == nullptr ? fold() : cache->value_weight(pass.records.size(), fold);
}

ResidualSum DecoderLayer::forward(const ResidualSum& x, ForwardPass& pass) const {
  const auto scope = enter();
  LayerRecord record;
  auto [layer_input, normed] = input_layernorm.forward(x);
  if (pass.fault != nullptr) {
    normed = pass.fault->input_norm(index, input_layernorm, layer_input, normed);
  }
  const auto attended = attention->forward(normed, pass, record);
  const auto site = residual->after_attention(layer_input, attended, pass);
  const auto [stream, mlp_input] = post_attention_layernorm.forward(site);
  const auto own = mlp.forward(mlp_input);
  auto result = residual->after_mlp(layer_input, stream, own, pass);
  if (pass.fault != nullptr) result = pass.fault->layer_output(index, result);
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
