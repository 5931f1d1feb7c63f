// A Markov chain whose entropies are known in closed form.
//
// 64 states in 4 groups of 16; state 16 g + i is member i of group g. From any state the next group
// is k with probability group_probability[k], whatever came before; the next member of it is
//   member(g, i, k) = (a i + b) mod 16,
//   a = 2 ((3 g + 5 k) mod 8) + 1,  b = (7 g + 6 k + 3) mod 16.
// So each state has 4 successors, one in each group. a is odd, so for each g and k the map of i is
// a permutation, and the distribution pi(16 g + i) = group_probability[g] / 16 stays as it is:
//   sum over s of pi(s) p(s -> 16 k + j)
//     = sum over g of group_probability[g] / 16 x group_probability[k]
//     = pi(16 k + j).
// With H = - sum over k of group_probability[k] ln group_probability[k]:
//   entropy rate = H               = 0.914 nats: a model that looks one token back;
//   unigram entropy = H + ln 16    = 3.687 nats: one that knows only how frequent each token is;
//   ln 64                          = 4.159 nats: one that knows nothing.
// A sequence is one document: its first token is drawn from pi, and there is no separator.
#pragma once

#include <array>
#include <cstdint>

#include "apps/data/built_in_source.h"

namespace lookback {

struct MarkovChain {
  static constexpr std::int64_t groups = 4, members = 16, states = groups * members;
  static constexpr std::array<double, groups> group_probability = {0.7, 0.15, 0.1, 0.05};

  static constexpr std::int64_t successor(std::int64_t state, std::int64_t group) {
    const std::int64_t g = state / members, i = state % members;
    const std::int64_t a = 2 * ((3 * g + 5 * group) % 8) + 1, b = (7 * g + 6 * group + 3) % members;
    return members * group + (a * i + b) % members;
  }
  // p(to | from): 0 but for four.
  static constexpr double probability(std::int64_t from, std::int64_t to) {
    const std::int64_t group = to / members;
    return successor(from, group) == to ? group_probability[static_cast<std::size_t>(group)] : 0.0;
  }
  static constexpr double stationary(std::int64_t state) {
    return group_probability[static_cast<std::size_t>(state / members)] / members;
  }
  // Nats per token.
  static double entropy_rate();
  static double unigram_entropy();
};

class MarkovSource final : public BuiltInSource {
 public:
  MarkovSource(std::uint64_t seed, BuiltInPart part) : BuiltInSource(seed, part) {}
  const Tokenizer& tokenizer() const override { return numbers_; }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return std::make_shared<MarkovSource>(seed, BuiltInPart::fresh);
  }

 protected:
  void draw(RandomStream& random, std::span<std::int64_t> sequence) const override;
  void score(std::span<const std::int64_t> sequence, std::span<double> nats) const override;

 private:
  NumberTokenizer numbers_{MarkovChain::states};
};

}  // namespace lookback
