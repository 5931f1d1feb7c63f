// How good a model is on tokens it does not train on.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/data/token_source.h"
#include "nn/layer/key_value_cache.h"
#include "nn/llama/llama.h"
#include "runtime/communicator.h"

namespace lookback {

struct EvaluationPlan {
  std::int64_t batch_size = 8;  // rows at a time
  std::int64_t block_size = 256;
  std::optional<std::int64_t> batches = {};  // none: all there are
  bool documents_apart = false;              // no document sees another
  // What a cache keeps of a row that is read token by token; full: rows are read as a whole.
  CachePolicy cache_policy = {};
};

struct Evaluation {
  double loss = 0;      // nats, mean over the tokens scored
  double accuracy = 0;  // share of them that the model finds most likely
  std::int64_t tokens = 0;
  // Where the source knows its probabilities: mean of -ln p over the same tokens, and the standard
  // error of (loss - floor), s / sqrt(N) with s that of the differences per token.
  std::optional<double> floor = {};
  std::optional<double> floor_error = {};
};

// Goes through the source's rows in order. The same plan gives the same bits, at any number of
// ranks: each scores the batches whose number is its own but for multiples of theirs, and all add
// up what they tell each other.
Evaluation evaluate(const Llama& llama, const TokenSource& source, const EvaluationPlan& plan,
                    const ForwardOptions& forward = {}, Communicator* ranks = nullptr);

// The last evaluation of a run, which `eval` repeats: all of a text, 100 batches of an endless
// source.
EvaluationPlan whole_evaluation(const TokenSource& source, std::int64_t batch_size,
                                std::int64_t block_size);

}  // namespace lookback
