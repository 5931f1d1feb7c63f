// Refuting by numbers: change the tokens after a position, and compare the logits up to it, bit for
// bit.
#pragma once

#include <optional>

#include "nn/proof/causal_proof.h"

namespace lookback {

struct SwapDifference {
  std::int64_t target = 0;  // the first position whose logits changed
  std::int64_t cut = 0;     // tokens after this position were changed
  double largest = 0;       // of the differences of its logits
  // Whether they change in a batch of its own as well: else they change with another sequence.
  bool alone = true;
};

// ids [1, T]; for each of `cuts`, `other` [1, T] stands in place of the tokens after it. None: all
// logits up to each cut are equal.
std::optional<SwapDifference> suffix_swap(const Llama& llama, const RunPath& path,
                                          const Tensor& ids, const Tensor& other,
                                          const std::vector<std::int64_t>& cuts);

// All there are in T tokens; or some of them: the first two, the middle, the last.
std::vector<std::int64_t> every_cut(std::int64_t tokens);
std::vector<std::int64_t> some_cuts(std::int64_t tokens);

}  // namespace lookback
