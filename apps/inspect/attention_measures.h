// What attention did with one sequence: the weights, and what can be read off them.
#pragma once

#include <map>
#include <source_location>
#include <string>
#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

// Per layer and head, [layer, head].
struct HeadMeasures {
  std::vector<double> entropy;           // nats, the mean over queries; 0: each reads one key
  std::vector<double> first_token_mass;  // weight on the first token, the mean over later queries
};

// weights: per layer [H, T, T].
HeadMeasures measure_heads(const std::vector<Tensor>& weights);

// A layer that ran an earlier one's attention again.
struct InspectedReplay {
  std::int64_t layer = 0, source = 0;
  Tensor weights;             // [H, T, T], those it applied to its values
  double largest_hidden = 0;  // the largest of them, by size, on a later key than the query
  std::string scope;
  std::source_location where;
};

// The weights are found by applying each replay to the unit vectors: it has no other way out.
std::vector<InspectedReplay> inspect_replays(const Llama& llama, const Trace& trace,
                                             std::int64_t tokens);

// What the pattern of a layer shows of a sequence, by config.json and not by what the layer ran.
struct PatternUse {
  std::string described;      // "sliding_window 128"
  double keys_seen = 0;       // of a query, the mean over queries and heads
  double all_keys = 0;        // without the pattern
  double largest_hidden = 0;  // the largest |weight| on a key that it hides
};

// weights: per layer [H, T, T]. By layer, of those with a pattern.
std::map<std::int64_t, PatternUse> measure_patterns(const LlamaConfig& config,
                                                    const std::vector<Tensor>& weights);

// Of layers that compose their heads' scores and weights, what the softmax of each head's own
// scores is, [1, H, T, T].
std::map<std::int64_t, Tensor> plain_weights(const LlamaConfig& config, const Trace& trace);

// The largest |weight| on a later key than the query: [H, T, T].
double largest_hidden_weight(const Tensor& weights);

}  // namespace lookback
