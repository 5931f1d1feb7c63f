#include "apps/verify/reference_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/model/attention_storage.h"
#include "apps/verify/compare.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/slice.h"
#include "nn/adamw.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/bounded_attention.h"
#include "nn/layer/config_reader.h"
#include "nn/llama/config_file.h"
#include "nn/llama/llama.h"
#include "nn/llama/variant_of_weights.h"
#include "nn/parameter_files.h"
#include "runtime/json.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::string_view operation = "verify";
const std::string parameter_prefix = "param.";

using Results = std::map<std::string, Tensor>;

const std::string& metadata_of(const SafetensorsFile& reference, const std::string& key) {
  const auto found = reference.metadata().find(key);
  if (found == reference.metadata().end()) {
    fail(operation, "{}: its metadata holds no {}, so no reference file as oracle.py makes them",
         reference.source(), in_quotes(key));
  }
  return found->second;
}

// Whether the file holds tensors of the group that results in this dtype are held against.
bool wants(const SafetensorsFile& reference, ReferenceGroup group, DType dtype) {
  return default_tolerance(dtype, group).has_value() &&
         std::ranges::any_of(reference.names(),
                             [&](const auto& name) { return reference_group(name) == group; });
}

Tensor ids_of(const SafetensorsFile& reference) {
  auto ids = reference.load("input_ids");
  if (ids.dtype() != DType::i64 || ids.rank() != 2) {
    fail(operation, "{}: input_ids is {} {}: must be int64 (batch, tokens)", reference.source(),
         ids.dtype(), ids.shape());
  }
  return to_default_device(ids);
}

// The settings of the metadata's "optimizer", a JSON object; every one must be there.
struct Training {
  double learning_rate, max_grad_norm;
  AdamWOptions adamw;
};
Training training_of(const SafetensorsFile& reference) {
  const auto where = reference.source() + ": optimizer";
  const auto object = parse_json(metadata_of(reference, "optimizer"), operation, where);
  const auto number = [&](const char* key) {
    const bool there = object.is_object() && object.contains(key) && object[key].is_number();
    if (!there) fail(operation, "{}: {} must be a number", where, key);
    return object[key].get<double>();
  };
  return {.learning_rate = number("learning_rate"),
          .max_grad_norm = number("max_grad_norm"),
          .adamw = {.beta1 = number("beta1"),
                    .beta2 = number("beta2"),
                    .epsilon = number("epsilon"),
                    .weight_decay = number("weight_decay")}};
}

// The metadata's "cache".
struct Decoding {
  CachePolicy policy;
  std::int64_t prompt = 1;  // tokens that are fed at once
};
Decoding decoding_of(const SafetensorsFile& reference) {
  const auto where = reference.source() + ": cache";
  const auto object = parse_json(metadata_of(reference, "cache"), operation, where);
  const auto number = [&](const char* key, std::int64_t least) {
    const bool there = object.is_object() && object.contains(key) &&
                       object[key].is_number_integer() && object[key] >= least &&
                       object[key] <= ConfigReader::largest_size;
    if (!there) fail(operation, "{}: {} must be an integer of at least {}", where, key, least);
    return object[key].get<std::int64_t>();
  };
  const auto name = object.is_object() ? object.value("name", "") : std::string();
  const auto kind =
      std::ranges::find(cache_policies, name, [](auto each) { return name_of(each); });
  if (kind == cache_policies.end()) {
    fail(operation, "{}: name is {}: must be one of full, streaming_llm, h2o", where,
         in_quotes(name));
  }
  return {.policy = {.kind = *kind,
                     .sinks = number("sinks", 0),
                     .recent = number("recent", 0),
                     .heavy = number("heavy", 0)},
          .prompt = number("prompt", 1)};
}

LlamaConfig config_of(const SafetensorsFile& reference) {
  auto config =
      parse_llama_config(metadata_of(reference, "config"), reference.source() + ": config");
  return config_for_weights(std::move(config), reference.names());
}

class ReferenceRun {
 public:
  ReferenceRun(const SafetensorsFile& file, const ReferenceRunOptions& options)
      : reference_(file),
        dtype_(options.dtype),
        ids_(ids_of(file)),
        targets_(next_token_targets(ids_)),
        llama_(config_of(file), precision_of(dtype_)),
        parameters_(llama_.parameters()),
        forward_options_(lookback::forward_options(options.attention_storage, llama_, ids_.size(0),
                                                   ids_.size(1), Gradients::wanted)) {
    load_parameters(parameters_, reference_, parameter_prefix,
                    [&](const auto& names) { return variant_advice(llama_.config, names); });
  }

  Results run() {
    forward();
    if (wants(reference_, ReferenceGroup::grad, dtype_)) gradients();
    if (wants(reference_, ReferenceGroup::trace, dtype_)) trace();
    if (wants(reference_, ReferenceGroup::decode, dtype_)) decode();
    if (wants(reference_, ReferenceGroup::train, dtype_)) train();
    return std::move(results_);
  }

 private:
  LlamaLoss loss_of_input() const { return llama_.loss(ids_, targets_, {}, forward_options_); }

  void forward() {
    const NoGrad no_grad;
    results_["out.logits"] = llama_.logits(ids_, forward_options_);
    const auto loss = loss_of_input();
    results_["out.loss"] = mean_loss(loss);
    if (loss.auxiliary.defined()) results_["out.auxiliary_loss"] = loss.auxiliary;
  }

  void gradients() {
    const auto loss = loss_of_input();
    backward(with_auxiliary(mean_loss(loss), loss));
    for (const auto& parameter : parameters_) {
      const auto& weights = parameter.tensor;
      const auto grad = gradient(weights);
      results_["grad." + parameter.name] =
          grad.defined() ? contiguous(grad) : zeros(weights.shape(), weights.dtype());
    }
    clear_gradients(parameters_);
  }

  void trace() {
    const NoGrad no_grad;
    Trace trace;
    auto traced = forward_options_;
    traced.trace = &trace;
    llama_.model.forward(ids_, traced);
    for (std::size_t l = 0; l < trace.attention_weights.size(); ++l) {
      results_[fmt::format("trace.attn.{}", l)] = contiguous(trace.attention_weights[l]);
    }
    for (const auto& [l, gates] : trace.gates) {
      results_[fmt::format("trace.gates.{}", l)] = contiguous(gates);
    }
    for (std::size_t l = 0; l < trace.hidden_states.size(); ++l) {
      results_[fmt::format("trace.hidden.{}", l)] = contiguous(trace.hidden_states[l]);
    }
  }

  // The prompt at once, then token by token, through a cache of the metadata's policy.
  void decode() {
    const NoGrad no_grad;
    const auto decoding = decoding_of(reference_);
    check_cache_policy(llama_.config, decoding.policy);
    const auto batch = ids_.size(0), tokens = ids_.size(1);
    KeyValueCache cache(batch, tokens, attention_dtype(llama_.precision, {}, ids_.device()),
                        decoding.policy);
    std::vector<Tensor> logits;
    for (std::int64_t begin = 0, end = std::min(decoding.prompt, tokens); begin < tokens;
         begin = end++) {
      logits.push_back(llama_.logits(slice(ids_, 1, begin, end), {.cache = &cache}));
    }
    results_["decode.logits"] = cat(logits, 1);
    if (decoding.policy.kind == CachePolicy::Kind::full) return keep_all();
    for (std::int64_t layer = 0; layer < llama_.config.num_hidden_layers; ++layer) {
      results_[fmt::format("decode.kept.{}", layer)] = cache.kept(layer);
    }
  }

  // What a cache that drops nothing holds.
  void keep_all() {
    const auto& config = llama_.config;
    const auto batch = ids_.size(0), tokens = ids_.size(1);
    std::vector<std::int64_t> positions;
    for (std::int64_t i = 0; i < batch * config.num_key_value_heads * tokens; ++i) {
      positions.push_back(i % tokens);
    }
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      results_[fmt::format("decode.kept.{}", layer)] =
          from_values(positions, {batch, config.num_key_value_heads, tokens});
    }
  }

  // As many steps as the file has losses (or norms), from its weights, on its one batch.
  void train() {
    const auto training = training_of(reference_);
    const auto* name = reference_.contains("train.losses") ? "train.losses" : "train.grad_norms";
    const auto& shape = reference_.info(name).shape;
    if (shape.size() != 1)
      fail(operation, "{}: {} must have one dimension", reference_.source(), name);
    AdamW adamw(parameters_, training.adamw);
    std::vector<double> losses, norms;
    for (std::int64_t step = 0; step < shape[0]; ++step) {
      clear_gradients(parameters_);
      const auto parts = loss_of_input();
      const auto loss = mean_loss(parts);
      backward(with_auxiliary(loss, parts));
      losses.push_back(loss.item());
      norms.push_back(gradient_norm(parameters_));
      adamw.step(training.learning_rate, clipping_factor(norms.back(), training.max_grad_norm));
    }
    results_["train.losses"] = from_values(losses, {shape[0]});
    results_["train.grad_norms"] = from_values(norms, {shape[0]});
  }

  const SafetensorsFile& reference_;
  DType dtype_;
  Tensor ids_, targets_;
  Llama llama_;
  std::vector<NamedParameter> parameters_;
  ForwardOptions forward_options_;
  Results results_;
};

}  // namespace

DType dtype_of_reference(const SafetensorsFile& reference) {
  bool all_bf16 = true;
  for (const auto& name : reference.names()) {
    if (!name.starts_with(parameter_prefix)) continue;
    const auto& dtype = reference.info(name).dtype;
    if (dtype == "F64") return DType::f64;
    all_bf16 &= dtype == "BF16";
  }
  return all_bf16 ? DType::bf16 : DType::f32;
}

std::map<std::string, Tensor> run_reference(const SafetensorsFile& reference,
                                            const ReferenceRunOptions& options) {
  return ReferenceRun(reference, options).run();
}

}  // namespace lookback
