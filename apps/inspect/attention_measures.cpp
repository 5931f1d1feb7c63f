#include "apps/inspect/attention_measures.h"

#include <cmath>
#include <limits>
#include <map>

#include "apps/inspect/numbers.h"
#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/permute.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// values[0, s, g, :] is the s-th unit vector, [1, S, G, S].
Tensor unit_vectors(std::int64_t tokens, std::int64_t heads, DType dtype) {
  const auto values = zeros({1, tokens, heads, tokens}, dtype, cpu_device);
  visit_floating(dtype, [&]<class T>(TypeTag<T>) {
    auto* element = values.data<T>();
    for (std::int64_t s = 0; s < tokens; ++s) {
      for (std::int64_t head = 0; head < heads; ++head) {
        element[(s * heads + head) * tokens + s] = static_cast<T>(1.0F);
      }
    }
  });
  return to_default_device(values);
}

// [1, T, H, S] -> [H, T, S]
Tensor by_head(const Tensor& applied) {
  const auto dense = own_copy(permute(applied, {0, 2, 1, 3}));
  const auto& shape = dense.shape();
  return dense.alias({shape[1], shape[2], shape[3]}, {shape[2] * shape[3], shape[3], 1});
}

double entropy_of(std::span<const double> row) {
  double sum = 0;
  for (const double weight : row) sum -= weight > 0 ? weight * std::log(weight) : 0;
  return sum;
}

}  // namespace

HeadMeasures measure_heads(const std::vector<Tensor>& weights) {
  HeadMeasures result;
  for (const auto& layer : weights) {
    const auto heads = layer.size(0);
    const auto tokens = static_cast<std::size_t>(layer.size(1));
    const auto numbers = to_vector(layer);
    for (std::int64_t head = 0; head < heads; ++head) {
      double entropy = 0, mass = 0;
      for (std::size_t t = 0; t < tokens; ++t) {
        const auto begin = (static_cast<std::size_t>(head) * tokens + t) * tokens;
        const auto row = std::span(numbers).subspan(begin, tokens);
        entropy += entropy_of(row);
        mass += t > 0 ? row[0] : 0;  // the first query has no other key
      }
      result.entropy.push_back(entropy / static_cast<double>(tokens));
      result.first_token_mass.push_back(tokens > 1 ? mass / static_cast<double>(tokens - 1) : 1);
    }
  }
  return result;
}

double largest_hidden_weight(const Tensor& weights) {
  const auto tokens = static_cast<std::size_t>(weights.size(1));
  const auto numbers = to_vector(weights);
  double largest = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto key = i % tokens, query = i / tokens % tokens;
    if (key <= query) continue;
    if (std::isnan(numbers[i])) return numbers[i];
    largest = std::max(largest, std::abs(numbers[i]));
  }
  return largest;
}

std::vector<InspectedReplay> inspect_replays(const Llama& llama, const Trace& trace,
                                             std::int64_t tokens) {
  if (trace.replays.empty()) return {};
  const NoGrad no_grad;
  const MaskWatch::Pause unwatched;
  const auto values =
      unit_vectors(tokens, llama.config.num_key_value_heads, llama.precision.storage);
  std::map<const AttentionReplay*, Tensor> known;
  std::vector<InspectedReplay> result;
  for (const auto& replay : trace.replays) {
    auto& weights = known[replay.replay.get()];
    if (!weights.defined()) weights = by_head(replay.replay->apply(values));
    result.push_back({replay.layer, replay.source, weights, largest_hidden_weight(weights),
                      *replay.scope, replay.where});
  }
  return result;
}

}  // namespace lookback
