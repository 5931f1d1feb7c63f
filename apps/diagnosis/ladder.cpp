#include "apps/diagnosis/ladder.h"

#include <algorithm>

#include <fmt/format.h>

#include "apps/diagnosis/faults/fault.h"
#include "nn/layer/attention_options.h"
#include "nn/layer/residual_scheme.h"

namespace lookback {
namespace {

std::string_view name_of_weights(CrossLayerResidual::Weights weights) {
  using enum CrossLayerResidual::Weights;
  return weights == sum ? "sum" : weights == mean ? "mean" : "learned";
}

// The fault stays where the model can have it.
LlamaConfig with_fault_where_possible(LlamaConfig config, const std::string& fault) {
  config.fault = fault;
  if (!fault.empty() && !Faults::make(fault)->missing_in(config).empty()) config.fault.clear();
  return config;
}

class AblationLadder {
 public:
  explicit AblationLadder(const LlamaConfig& target) : goal_(target), now_(target) {
    now_.cross_layer_residual.reset();
    now_.score_scale.clear();
    now_.attention.clear();
    add("plain");
  }

  void add(std::string axis) {
    rungs.push_back({std::move(axis), with_fault_where_possible(now_, goal_.fault)});
  }

  void add_residual_rungs() {
    const auto& wanted = *goal_.cross_layer_residual;
    now_.cross_layer_residual = CrossLayerResidual{.source = {}, .site = wanted.site};
    auto& cross = *now_.cross_layer_residual;
    std::vector<std::string> sources;  // from the simplest
    for (auto source = wanted.source; !source.empty();) {
      sources.insert(sources.begin(), source);
      source = ResidualSchemes::make(source)->simpler_source();
    }
    for (const auto& source : sources) {
      cross.source = source;
      add(std::string(ResidualSchemes::make(source)->ladder_step()));
    }
    if (wanted.weights != cross.weights) {
      cross.weights = wanted.weights;
      add(fmt::format("weights: {}", name_of_weights(wanted.weights)));
    }
    if (wanted.include_self != cross.include_self) {
      cross.include_self = wanted.include_self;
      add("without the layer's own output");
    }
    if (wanted.stream != cross.stream) {
      cross.stream = wanted.stream;
      add("stream: the sum replaces it");
    }
  }

  void add_attention_rungs() {
    for (auto& step : attention_steps(goal_)) {
      now_.attention = std::move(step.attention);
      add(std::move(step.axis));
    }
  }

  void add_score_rungs() {
    now_.score_scale = goal_.score_scale;
    add(fmt::format("accumulated scores: {}", goal_.score_scale));
  }

  std::vector<Rung> rungs;

 private:
  const LlamaConfig& goal_;
  LlamaConfig now_;
};

// How often a forward pass runs a layer, on average: where layers look back at recomputed ones,
// each of them runs all earlier ones again.
double runs_of_a_layer(const LlamaConfig& config) {
  return reruns_layers(config) ? static_cast<double>(config.num_hidden_layers + 1) / 2 : 1;
}

double parameters_of(const LlamaConfig& config) {
  double count = 0;
  for (const auto& parameter : Llama(config, precision_of(DType::f32)).parameters())
    count += static_cast<double>(parameter.tensor.numel());
  return count;
}

}  // namespace

Subject to_train(const Subject& subject, std::int64_t tokens) {
  // Parameters x tokens in two minutes: six floating-point operations each, a hundred billion a
  // second.
  constexpr double max_work = 2e12;
  const auto& config = subject.config;
  const bool too_small =
      config.hidden_size < size_to_train.width || config.num_hidden_layers < size_to_train.layers;
  const double work = parameters_of(config) * runs_of_a_layer(config) * static_cast<double>(tokens);
  if (too_small || work > max_work) return shrunk(subject, size_to_train);
  auto fresh = subject;
  fresh.folder.reset();
  fresh.weights.reset();
  return fresh;
}

std::string size_of(const LlamaConfig& config) {
  return fmt::format("{} layers, {} wide", config.num_hidden_layers, config.hidden_size);
}

std::vector<Rung> ladder_to(const LlamaConfig& config) {
  AblationLadder ladder(config);
  ladder.add_attention_rungs();
  if (config.cross_layer_residual) ladder.add_residual_rungs();
  if (!config.score_scale.empty()) ladder.add_score_rungs();
  return ladder.rungs;
}

LlamaConfig shrunk(const LlamaConfig& config, SmallSize size) {
  auto small = config;
  small.hidden_size = size.width;
  small.intermediate_size = size.width * 3 / 2;
  small.num_hidden_layers = std::min(config.num_hidden_layers, size.layers);
  small.num_attention_heads = 4;
  small.num_key_value_heads = config.num_key_value_heads < config.num_attention_heads ? 2 : 4;
  small.head_dim = size.width / small.num_attention_heads;
  small.max_position_embeddings = std::min<std::int64_t>(config.max_position_embeddings, 256);
  small.attention = resized_attention(small);
  return small;
}

Subject shrunk(const Subject& subject, SmallSize size) {
  constexpr std::int64_t tokens = 32;
  auto small = subject;
  small.config = shrunk(subject.config, size);
  small.folder.reset();
  small.weights.reset();
  small.run.reset();
  small.effort = Effort::quick;
  small.block_size = std::min(tokens, small.config.max_position_embeddings);
  return small;
}

}  // namespace lookback
