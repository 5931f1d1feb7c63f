// Distributions that pass a softmax. On logits: the rows that enter the loss are probabilities. On
// attention, recomputed paths too: with queries and keys so large that one softmax puts all weight
// on one key, a second one leaves that key at most e / (e + t) in row t. (Queries alone would do
// for a softmax. Linear attention has none, and singles out a key only where keys are large, too.)
#include <cmath>
#include <numbers>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/weight_scale.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/scope.h"
#include "kernels/binary.h"
#include "kernels/core/slot.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// Rows of the last dimension of a contiguous view.
template <class Look>
void for_each_row(const TensorView& anywhere, const Look& look) {
  const HostView here(anywhere);
  const auto& x = here.view();
  visit_floating(x.dtype, [&]<class T>(TypeTag<T>) {
    const auto width = x.sizes[x.sizes.rank() - 1];
    const auto* row = static_cast<const T*>(x.data);
    for (std::int64_t r = 0; r < x.sizes.numel() / width; ++r, row += width) {
      look(r, std::span<const T>(row, static_cast<std::size_t>(width)));
    }
  });
}

// Whether every row is non-negative and sums to 1.
bool are_distributions(const TensorView& rows) {
  bool all = rows.sizes.numel() > 0;
  for_each_row(rows, [&](std::int64_t, auto row) {
    double sum = 0;
    for (const auto number : row) {
      all = all && static_cast<double>(number) >= 0;
      sum += static_cast<double>(number);
    }
    all = all && std::fabs(sum - 1) <= thresholds::sum_of_a_distribution;
  });
  return all;
}

class DoubleSoftmax final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::double_softmax; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    logits(subject, diagnosis);
    attention(subject, diagnosis);
  }

 private:
  static void logits(const Subject& subject, Diagnosis& diagnosis) {
    const auto llama = subject.model();
    const auto [ids, targets] = token_tensors(subject.batch());
    bool seen = false, doubled = false;
    {
      const kernels::ObserveKernels observe([&](const auto& slot, const auto& in, const auto&) {
        if (slot.name != "cross_entropy_forward") return;
        seen = true;
        doubled = are_distributions(in[0]);
      });
      llama->loss(ids, targets, {}, subject.forward());
    }
    if (!seen) doubled = are_distributions(llama->logits(ids, subject.forward()).view());
    const auto vocabulary = static_cast<double>(subject.config.vocab_size);
    const double floor = std::log(std::numbers::e + vocabulary - 1) - 1;
    const std::string name = "rows that enter the loss";
    if (doubled) {
      diagnosis.failed(Verdict::double_softmax, name, 1, 0,
                       fmt::format("lm_head: every row is non-negative and sums to 1: the loss "
                                   "takes probabilities for logits and cannot fall below {:.4f}",
                                   floor));
    } else {
      diagnosis.passed(name, 0, 0, "logits are no probabilities");
    }
  }

  static std::unique_ptr<Llama> with_large_scores(const Subject& subject) {
    auto llama = with_usual_weights(subject).fresh_model();
    auto scaled = query_weights(*llama);
    scaled.merge(key_weights(*llama));
    for (const auto& [name, parameter, initial] : llama->parameters()) {
      if (!scaled.contains(name)) continue;
      kernels::affine_forward(
          parameter.backend(),
          {.x = parameter, .y = parameter, .scale = thresholds::saturating, .shift = 0});
    }
    return llama;
  }

  // By the scope that applies weights: the largest weight above that of a second softmax.
  static void attention(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "attention with large scores";
    const auto tokens = std::min<std::int64_t>(subject.config.max_position_embeddings, 32);
    if (tokens < 2) return diagnosis.not_applicable(name, "a single token attends to itself alone");
    std::map<std::string, double> excess;
    {
      const auto llama = with_large_scores(subject);
      const auto ids = subject.random_ids(2, tokens);
      const kernels::ObserveKernels observe([&](const auto& slot, const auto& in, const auto&) {
        if (slot.name != "apply_attention_weights_forward") return;
        auto& most = excess.try_emplace(*Scope::current(), -1).first->second;
        most = std::max(most, excess_of(in[0]));
      });
      llama->logits(ids, {.attention = AttentionPath::explicit_weights});
    }
    double least = 1;
    std::string places;
    for (const auto& [scope, most] : excess) {
      least = std::min(least, most);
      if (most > thresholds::second_softmax) continue;
      places += (places.empty() ? "" : ", ") + scope;
    }
    if (excess.empty()) return diagnosis.not_applicable(name, "no attention weights were applied");
    if (!places.empty()) {
      diagnosis.failed(
          Verdict::double_softmax, name, least, thresholds::second_softmax,
          "no weight of row t exceeds e / (e + t), however large the scores are, in " + places);
    } else {
      diagnosis.passed(name, least, thresholds::second_softmax,
                       "weights go beyond e / (e + t) when scores are large");
    }
  }

  // weights [.., T, S]: the largest weight less e / (e + t), over all rows t but the first.
  static double excess_of(const TensorView& weights) {
    const auto tokens = weights.sizes[weights.sizes.rank() - 2];
    double most = -1;
    for_each_row(weights, [&](std::int64_t row, auto keys) {
      const auto t = static_cast<double>(row % tokens);
      if (t == 0) return;
      const double bound = std::numbers::e / (std::numbers::e + t);
      for (const auto weight : keys) most = std::max(most, static_cast<double>(weight) - bound);
    });
    return most;
  }
};

const DiagnosisChecks::Add registered{"double_softmax",
                                      [] { return std::make_unique<DoubleSoftmax>(); }};

}  // namespace
}  // namespace lookback
