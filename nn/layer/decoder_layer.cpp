#include "nn/layer/decoder_layer.h"

#include <fmt/format.h>

#include "autograd/ops/binary.h"
#include "nn/layer/model_hooks.h"

namespace lookback {
namespace {

Products readers_of_input(const LlamaConfig& config, std::int64_t layer,
                          const Precision& precision) {
  return attention_of(config, layer)->only_products_read_input() ? precision.products
                                                                 : Products::native;
}

}  // namespace

DecoderLayer::DecoderLayer(ChildOf place, const LlamaConfig& config, std::int64_t layer,
                           Precision precision)
    : Module(std::move(place)),
      input_layernorm({*this, "input_layernorm"}, config.hidden_size, config.rms_norm_eps,
                      precision, readers_of_input(config, layer, precision)),
      self_attn(attention_of(config, layer)->make({*this, "self_attn"}, config, layer, precision)),
      post_attention_layernorm({*this, "post_attention_layernorm"}, config.hidden_size,
                               config.rms_norm_eps, precision, precision.products),
      mlp({*this, "mlp"}, config, precision),
      residual_(residual_kind(config)->make({*this, ""}, config, layer, precision)),
      index_(layer) {}

RecordNeeds DecoderLayer::needs() const { return self_attn->needs() | residual_->needs(); }

Tensor DecoderLayer::value_weight(const LinearValues& linear, const ForwardPass& pass) const {
  const auto fold = [&] {
    const Scope scope("folded_value");
    return linear.value.weight * input_layernorm.weight;
  };
  auto* cache = pass.options.cache;
  return cache == nullptr ? fold() : cache->value_weight(pass.records.size(), fold);
}

std::vector<std::string> DecoderLayer::inert(const LlamaConfig& config) const {
  auto names = residual_->inert(config);
  for (const auto& name : self_attn->inert(config)) {
    names.push_back(fmt::format("{}.self_attn.{}", index_, name));
  }
  return names;
}

ResidualSum DecoderLayer::forward(const ResidualSum& x, ForwardPass& pass) const {
  const auto scope = enter();
  LayerRecord record;
  auto [layer_input, normed] = input_layernorm.forward(x);
  normed = pass.hooks->input_norm(index_, input_layernorm, layer_input, normed);
  const auto attended = self_attn->forward(normed, pass, record);
  const auto site = residual_->after_attention(layer_input, attended, pass);
  const auto [stream, mlp_input] = post_attention_layernorm.forward(site);
  const auto own = mlp.forward(mlp_input);
  auto result =
      pass.hooks->layer_output(index_, residual_->after_mlp(layer_input, stream, own, pass));
  result = traced(result, layer_input, attended, own, pass);
  leave_record(std::move(record), attended, own, pass);
  return result;
}

ResidualSum DecoderLayer::traced(const ResidualSum& output, const Tensor& layer_input,
                                 const Tensor& attended, const Tensor& own,
                                 const ForwardPass& pass) {
  auto* trace = pass.options.trace;
  if (trace == nullptr) return output;
  trace->hidden_states.push_back(layer_input);
  trace->attention_outputs.push_back(attended);
  trace->mlp_outputs.push_back(own);
  // Added up apart from the norm that reads it, so that the hidden state is a tensor whose
  // gradient is whole: the same numbers.
  const bool is_sum = output.stream.defined() && output.update.defined();
  return is_sum ? ResidualSum{output.stream + output.update, {}} : output;
}

void DecoderLayer::leave_record(LayerRecord record, const Tensor& attended, const Tensor& own,
                                ForwardPass& pass) const {
  if (!pass.needs.any()) return;
  if (pass.needs.attention_output) record.attention_output = attended;
  if (pass.needs.mlp_output) record.mlp_output = own;
  const auto* linear = self_attn->linear_values();
  if (pass.needs.replay && linear != nullptr) record.value_weight = value_weight(*linear, pass);
  record.layer = this;
  pass.records.push_back(std::move(record));
}

}  // namespace lookback
