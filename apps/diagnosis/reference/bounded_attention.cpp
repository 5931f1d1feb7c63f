// Attention of a model that is decoded token by token with a cache that keeps some of the keys:
// the first ones and the latest, which move up as others leave (Xiao et al. 2023), or those that
// were attended to most and the latest, where they stood (Zhang et al. 2023).
#include <algorithm>

#include "apps/diagnosis/reference/attention.h"
#include "apps/diagnosis/reference/positions.h"

namespace lookback::reference {
namespace {

using Kept = std::vector<std::size_t>;  // tokens whose keys are there, in order

class BoundedAttention : public Attention {
 public:
  using Attention::Attention;

 protected:
  const CacheBudget& budget() const { return *config().budget; }
  std::size_t key_heads() const { return config().num_key_value_heads; }
  std::size_t group() const { return heads() / key_heads(); }

  // Row `token` of a head's weights: softmax of the scores of the tokens that are kept.
  static void write_row(Matrix& weights, std::size_t token, const Kept& kept,
                        std::vector<double> scores) {
    softmax(scores);
    for (std::size_t slot = 0; slot < kept.size(); ++slot)
      weights(token, kept[slot]) = scores[slot];
  }
};

class FirstAndLatest final : public BoundedAttention {
 public:
  using BoundedAttention::BoundedAttention;

  Look look(const Matrix& n, const Heads&) const override {
    const auto q = projected(n, "q"), k = projected(n, "k");
    Heads weights(heads(), Matrix(n.rows(), n.rows()));
    Kept kept;
    for (std::size_t token = 0; token < n.rows(); ++token) {
      make_room(kept);
      kept.push_back(token);
      const auto scores = scores_by_slot(q, k, token, kept);
      for (std::size_t h = 0; h < heads(); ++h) {
        const auto row = scores[h].row(kept.size() - 1);
        write_row(weights[h], token, kept, {row.begin(), row.end()});
      }
    }
    return {.weights = weights};
  }

 private:
  void make_room(Kept& kept) const {
    const auto& [policy, sinks, recent, heavy] = budget();
    if (kept.size() + 1 <= sinks + recent) return;
    const auto first = std::min(sinks, kept.size());
    const auto left = recent > 0 ? recent - 1 : 0;
    const auto latest = std::max(first, kept.size() - std::min(left, kept.size()));
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(first),
               kept.begin() + static_cast<std::ptrdiff_t>(latest));
  }

  // Of the newest token, whose slot is the last: in the last row [slots, slots] of each head.
  Heads scores_by_slot(const Heads& q, const Heads& k, std::size_t token, const Kept& kept) const {
    const auto slots = kept.size();
    Heads scores;
    for (std::size_t h = 0; h < heads(); ++h) {
      Matrix query(slots, q[h].columns()), keys(slots, q[h].columns());
      for (std::size_t d = 0; d < query.columns(); ++d) {
        query(slots - 1, d) = q[h](token, d);
        for (std::size_t slot = 0; slot < slots; ++slot)
          keys(slot, d) = k[h / group()](kept[slot], d);
      }
      query = turned_by_position(query);
      keys = turned_by_position(keys);
      Matrix s(slots, slots);
      for (std::size_t slot = 0; slot < slots; ++slot) {
        for (std::size_t d = 0; d < query.columns(); ++d)
          s(slots - 1, slot) += scale() * query(slots - 1, d) * keys(slot, d);
      }
      scores.push_back(s);
    }
    return capped_and_biased(scores);
  }
};

class HeavyHitters final : public BoundedAttention {
 public:
  using BoundedAttention::BoundedAttention;

  Look look(const Matrix& n, const Heads& all_scores) const override {
    const auto scores = capped_and_biased(all_scores);
    Heads weights(heads(), Matrix(n.rows(), n.rows()));
    for (std::size_t g = 0; g < key_heads(); ++g) {
      Kept kept;
      std::vector<double> attended(n.rows(), 0);  // by all queries so far
      for (std::size_t token = 0; token < n.rows(); ++token) {
        kept.push_back(token);
        for (std::size_t h = g * group(); h < (g + 1) * group(); ++h) {
          std::vector<double> row;
          for (const auto key : kept) row.push_back(scores[h](token, key));
          write_row(weights[h], token, kept, row);
          for (const auto key : kept) attended[key] += weights[h](token, key);
        }
        drop(kept, attended);
      }
    }
    return {.weights = weights};
  }

 private:
  // The most attended to of all but the latest, the older one of equals; and the latest.
  void drop(Kept& kept, const std::vector<double>& attended) const {
    const auto& [policy, sinks, recent, heavy] = budget();
    if (kept.size() <= heavy + recent) return;
    const auto old = kept.size() - recent;
    std::vector<double> scores;
    for (std::size_t slot = 0; slot < old; ++slot) scores.push_back(attended[kept[slot]]);
    auto slots = largest(scores, heavy);
    std::ranges::sort(slots);
    Kept left;
    for (const auto slot : slots) left.push_back(kept[slot]);
    left.insert(left.end(), kept.begin() + static_cast<std::ptrdiff_t>(old), kept.end());
    kept = left;
  }
};

}  // namespace

std::unique_ptr<Attention> make_bounded(const Config& config, const Weights& weights,
                                        std::size_t layer) {
  if (config.budget->policy == "streaming_llm")
    return std::make_unique<FirstAndLatest>(config, weights, layer);
  if (config.budget->policy == "h2o") return std::make_unique<HeavyHitters>(config, weights, layer);
  throw UnknownToReference("[reference] a cache policy " + config.budget->policy +
                           " is not known to the reference");
}

}  // namespace lookback::reference
