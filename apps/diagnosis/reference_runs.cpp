#include "apps/diagnosis/reference_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops/slice.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/attention_options.h"
#include "runtime/transfer.h"

namespace lookback {

std::vector<reference::Run> runs_of(const reference::Config& config,
                                    const reference::Weights& weights, const Tensor& ids) {
  std::vector<reference::Run> runs;
  const auto tokens = to_device(ids, cpu_device);
  const auto* first = tokens.data<std::int64_t>();
  for (std::int64_t row = 0; row < ids.size(0); ++row, first += ids.size(1))
    runs.push_back(reference::run(config, weights, {first, first + ids.size(1)}));
  return runs;
}

double reference_loss(const reference::Config& config, const reference::Weights& weights,
                      const TokenBatch& batch) {
  double losses = 0, auxiliary = 0;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto part = [&](const std::vector<std::int64_t>& all) {
      const auto first = all.begin() + row * batch.columns;
      return std::vector<std::int64_t>(first, first + batch.columns);
    };
    const auto run = reference::run(config, weights, part(batch.inputs));
    losses += reference::sum_of_losses(run, part(batch.targets));
    auxiliary += run.auxiliary_loss;
  }
  const auto targets = std::ranges::count_if(batch.targets, [](auto t) { return t >= 0; });
  return losses / static_cast<double>(targets) + auxiliary / static_cast<double>(batch.rows);
}

double cost_of_run(const reference::Weights& weights, const LlamaConfig& config,
                   std::int64_t tokens) {
  double numbers = 0;
  for (const auto& [name, values] : weights.all())
    numbers += static_cast<double>(values.values.size());
  const auto positions = static_cast<double>(tokens);
  const auto beside =
      positions * static_cast<double>(config.num_hidden_layers * config.hidden_size * 2);
  return positions * (numbers + beside);
}

bool has_router(const LlamaConfig& config) {
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (!attention_of(config, layer)->gated().empty()) return true;
  }
  return false;
}

double difference_of(const Tensor& ours, std::int64_t row, std::span<const double> theirs) {
  const auto values = to_vector(slice(ours, 0, row, row + 1));
  double worst = 0, size = 1e-300;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double difference = std::abs(values[i] - theirs[i]);
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
    size = std::fmax(size, std::abs(theirs[i]));
  }
  return worst / size;
}

double difference_of_logits(const Tensor& ours, const std::vector<reference::Run>& theirs) {
  double worst = 0;
  for (std::size_t row = 0; row < theirs.size(); ++row) {
    const double difference =
        difference_of(ours, static_cast<std::int64_t>(row), theirs[row].logits.values());
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
  }
  return worst;
}

double usual_difference_of_logits(const Tensor& ours, const std::vector<reference::Run>& theirs) {
  const auto words = static_cast<std::size_t>(ours.size(-1));
  const auto values = to_vector(ours);
  std::vector<double> differences;
  auto mine = values.begin();
  for (const auto& run : theirs) {
    const auto& all = run.logits.values();
    for (std::size_t at = 0; at < all.size(); at += words) {
      double squares = 0, size = 1e-300;
      for (std::size_t i = at; i < at + words; ++i, ++mine) {
        squares += (*mine - all[i]) * (*mine - all[i]);
        size += all[i] * all[i];
      }
      if (std::isnan(squares)) return squares;
      differences.push_back(std::sqrt(squares / size));
    }
  }
  const auto middle = differences.begin() + std::ssize(differences) / 2;
  std::ranges::nth_element(differences, middle);
  return *middle;
}

std::string first_difference(const Trace& trace, const std::vector<reference::Run>& theirs,
                             double bound) {
  const auto differs = [&](const Tensor& ours, const auto& values_of) {
    for (std::size_t row = 0; row < theirs.size(); ++row) {
      const auto& values = values_of(theirs[row]);
      if (!(difference_of(ours, static_cast<std::int64_t>(row), values) <= bound)) return true;
    }
    return false;
  };
  const auto layers = trace.attention_outputs.size();
  for (std::size_t i = 0; i < layers; ++i) {
    const auto part = [&](const auto& list) {
      return [&, list](const reference::Run& run) { return (run.*list)[i].values(); };
    };
    const auto weights = [&](const reference::Run& run) {
      std::vector<double> all;
      for (const auto& head : run.looks[i].weights)
        all.insert(all.end(), head.values().begin(), head.values().end());
      return all;
    };
    if (differs(trace.hidden_states[i], part(&reference::Run::hidden)))
      return i == 0 ? "model.embed_tokens" : fmt::format("the sum behind model.layers.{}", i - 1);
    if (differs(trace.attention_weights[i], weights))
      return fmt::format("model.layers.{}.self_attn, in its weights", i);
    if (differs(trace.attention_outputs[i], part(&reference::Run::attention_outputs)))
      return fmt::format("model.layers.{}.self_attn, in what it says of its values", i);
    if (differs(trace.mlp_outputs[i], part(&reference::Run::mlp_outputs)))
      return fmt::format("model.layers.{}.mlp", i);
  }
  return layers == 0 ? "the model"
                     : fmt::format("the sum behind model.layers.{} or what follows", layers - 1);
}

}  // namespace lookback
