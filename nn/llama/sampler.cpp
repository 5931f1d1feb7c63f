#include "nn/llama/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/check.h"

namespace lookback {
namespace {

struct Candidate {
  std::int64_t token;
  double weight;  // proportional to its probability
};

std::vector<Candidate> by_likelihood(std::span<const double> logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    candidates.push_back(
        {static_cast<std::int64_t>(i), std::exp((logits[i] - largest) / temperature)});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return candidates;
}

double total_weight(const std::vector<Candidate>& candidates) {
  return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                         [](double sum, const auto& c) { return sum + c.weight; });
}

// The shortest head of the list that holds `share` of its weight.
void keep_share(std::vector<Candidate>& candidates, double share) {
  const double enough = share * total_weight(candidates);
  double held = 0;
  std::size_t kept = 0;
  while (kept < candidates.size() && (kept == 0 || held < enough))
    held += candidates[kept++].weight;
  candidates.resize(kept);
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options)
    : options_(options), random_(options_.seed, stream_of(RandomUse::generation, 0)) {
  const Check check{"sampling"};
  check(std::isfinite(options_.temperature) && options_.temperature >= 0,
        "temperature {} must be a number of 0 or more", options_.temperature);
  check(options_.top_k >= 0, "top_k {} must be 0 (all) or more", options_.top_k);
  check(options_.words >= 0, "words {} must be 0 (all) or more", options_.words);
  check(options_.top_p > 0 && options_.top_p <= 1, "top_p {} must be in (0, 1]", options_.top_p);
}

std::int64_t Sampler::pick(std::span<const double> logits) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(logits[i])) continue;
    fail("sampling", "the logit of token {} is not a number: the weights are damaged", i);
  }
  if (options_.words > 0)
    logits = logits.first(std::min(logits.size(), static_cast<std::size_t>(options_.words)));
  if (options_.temperature == 0) {
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  }
  auto candidates = by_likelihood(logits, options_.temperature);
  if (options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < candidates.size()) {
    candidates.resize(static_cast<std::size_t>(options_.top_k));
  }
  if (options_.top_p < 1) keep_share(candidates, options_.top_p);
  double remaining = random_.uniform() * total_weight(candidates);
  for (const auto& candidate : candidates) {
    remaining -= candidate.weight;
    if (remaining < 0) return candidate.token;
  }
  return candidates.back().token;
}

}  // namespace lookback
