// What attention did with one sequence: the weights, and what can be read off them.
#pragma once

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

// The largest |weight| on a later key than the query: [H, T, T].
double largest_hidden_weight(const Tensor& weights);

}  // namespace lookback
