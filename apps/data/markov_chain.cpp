#include "apps/data/markov_chain.h"

#include <cmath>

#include "runtime/check.h"

namespace lookback {
namespace {

// In hundredths, so that drawing needs no rounding.
constexpr std::array<std::uint64_t, MarkovChain::groups> group_percent = {70, 15, 10, 5};
static_assert(group_percent[0] + group_percent[1] + group_percent[2] + group_percent[3] == 100);

std::int64_t draw_group(RandomStream& random) {
  auto ticket = random.below(100);
  std::size_t group = 0;
  while (ticket >= group_percent[group]) ticket -= group_percent[group++];
  return static_cast<std::int64_t>(group);
}

}  // namespace

double MarkovChain::entropy_rate() {
  double entropy = 0;
  for (const double p : group_probability) entropy -= p * std::log(p);
  return entropy;
}

double MarkovChain::unigram_entropy() {
  return entropy_rate() + std::log(static_cast<double>(members));
}

void MarkovSource::draw(RandomStream& random, std::span<std::int64_t> sequence) const {
  const auto first_group = draw_group(random);
  auto state = MarkovChain::members * first_group +
               static_cast<std::int64_t>(random.below(MarkovChain::members));
  for (auto& token : sequence) {
    token = state;
    state = MarkovChain::successor(state, draw_group(random));
  }
}

void MarkovSource::score(std::span<const std::int64_t> sequence, std::span<double> nats) const {
  const Check check{"markov"};
  for (std::size_t i = 0; i < nats.size(); ++i) {
    const double p = MarkovChain::probability(sequence[i], sequence[i + 1]);
    check(p > 0, "token {} cannot follow token {}", sequence[i + 1], sequence[i]);
    nats[i] = -std::log(p);
  }
}

}  // namespace lookback
