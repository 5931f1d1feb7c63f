#include <cmath>

#include "apps/inspect/attention_measures.h"
#include "apps/inspect/numbers.h"
#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/mask_scores.h"
#include "nn/layer/attention_options.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// The mask of a layer for whole sequences of `tokens`.
CausalMask mask_of(const AttentionOptions& options, std::int64_t layer, std::int64_t heads,
                   std::int64_t tokens, Device device) {
  return with_pattern({}, options.pattern,
                      {.layer = layer, .heads = heads, .end = tokens, .device = device});
}

}  // namespace

std::map<std::int64_t, PatternUse> measure_patterns(const LlamaConfig& config,
                                                    const std::vector<Tensor>& weights) {
  const NoGrad no_grad;
  std::map<std::int64_t, PatternUse> result;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    const auto options = attention_of(config, layer);
    if (options->pattern.empty()) continue;
    const auto heads = weights[i].size(0), tokens = weights[i].size(1);
    const auto ones = zeros({1, heads, tokens, tokens}, DType::f32, cpu_device) + 1;
    const auto shown =
        to_vector(mask_weights(ones, mask_of(*options, layer, heads, tokens, cpu_device)));
    const auto numbers = to_vector(weights[i]);
    double seen = 0, largest = 0;
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      seen += shown[k];
      if (shown[k] != 0 || std::isnan(largest)) continue;
      largest = std::isnan(numbers[k]) ? numbers[k] : std::max(largest, std::abs(numbers[k]));
    }
    result[layer] = {.described = described(options->pattern),
                     .keys_seen = seen / static_cast<double>(heads * tokens),
                     .all_keys = static_cast<double>(tokens + 1) / 2,
                     .largest_hidden = largest};
  }
  return result;
}

std::map<std::int64_t, Tensor> plain_weights(const LlamaConfig& config, const Trace& trace) {
  const NoGrad no_grad;
  const MaskWatch::Pause unwatched;
  std::map<std::int64_t, Tensor> result;
  for (std::size_t i = 0; i < trace.pieces.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    const auto options = attention_of(config, layer);
    if (!options->keeps_weights()) continue;
    const auto& query = trace.pieces[i].q.front();
    result[layer] = attention_weights(
        trace.pieces[i], mask_of(*options, layer, query.size(2), query.size(1), query.device()));
  }
  return result;
}

}  // namespace lookback
