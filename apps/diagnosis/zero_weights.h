// Weights that are 0 and let no gradient pass.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

struct ZeroWeights {
  std::vector<std::string> norms;     // every gain is 0
  std::vector<std::string> matrices;  // all 0, and moved by the first step
  // What has no gradient, and has one as soon as those are not 0.
  std::set<std::string> waiting;
};

// Of the subject's weights, with its first batch.
ZeroWeights zero_weights(const Subject& subject);

// The first few of some names, and how many more there are.
std::string listed(const std::vector<std::string>& names);

}  // namespace lookback
