#include "apps/data/token_source.h"

#include <algorithm>

#include "runtime/check.h"

namespace lookback {

std::int64_t TokenBatch::scored() const {
  return std::count_if(targets.begin(), targets.end(),
                       [](std::int64_t target) { return target != ignored_target; });
}

std::vector<double> TokenSource::nats(const TokenBatch&) const {
  fail("data", "these data know no probabilities: only built-in sources have a floor");
}

}  // namespace lookback
