// What a report shows: a forward and a backward pass over one sequence, and all that is seen on
// the way.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/inspect/attention_measures.h"
#include "apps/inspect/cache_sizes.h"
#include "apps/inspect/feeding.h"
#include "apps/inspect/tape_walk.h"
#include "apps/inspect/update_sizes.h"
#include "autograd/mask_watch.h"
#include "nn/llama/llama.h"

namespace lookback {

struct ParameterMeasures {
  std::string name;
  Shape shape;
  double weight_norm = 0;
  double gradient_norm = 0;  // NaN: no gradient reached it
  double update_norm = 0;    // of the step in question
};

// Norms over all tokens, one for each layer (hidden_states: one more, the output of the last).
struct NormsByDepth {
  std::vector<double> hidden_states, attention_outputs, mlp_outputs;
};

struct Inspection {
  std::vector<std::int64_t> tokens;
  // Nats per predicted token, next-token cross entropy; NaN: one token, so none is predicted.
  double loss = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> nats;  // of tokens 1, 2, ..

  std::vector<Tensor> attention;  // per layer [H, T, T]
  HeadMeasures heads;
  std::vector<InspectedReplay> replays;
  // By layer, of those that have them: [T, heads or experts], 0 where one was not chosen.
  std::map<std::int64_t, Tensor> gates;
  // By layer, [H, T, T]: softmax of its own scores, of those that compose heads.
  std::map<std::int64_t, Tensor> plain_attention;
  std::map<std::int64_t, PatternUse> patterns;  // by layer, of those with a pattern
  CacheSizes cache;
  Feeding outputs, scores;
  std::vector<std::pair<std::string, std::vector<double>>> learned;  // as they take effect

  std::vector<Tensor> hidden_states, attention_outputs, mlp_outputs;  // [T, D]
  NormsByDepth activations, gradients;
  std::vector<ParameterMeasures> parameters;
  std::vector<TapeEntry> tape;
  std::vector<MaskUse> mask_uses;
};

// The loss is the mean over the tokens of the next one's cross entropy. Leaves the parameters as
// they are, and clear of gradients; they must have none before. At least one token. Throws Error
// for tokens that the model does not take.
Inspection inspect(const Llama& llama, const std::vector<std::int64_t>& tokens,
                   const ForwardOptions& options, const OptimizerView& optimizer);

}  // namespace lookback
