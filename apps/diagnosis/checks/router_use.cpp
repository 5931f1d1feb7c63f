// Which experts and heads the routers of a mixture choose, by their share of the tokens. One
// that no token chose learns nothing; that is told with its numbers, and is no finding: routers
// come and go while they are trained.
#include <algorithm>
#include <map>
#include <numeric>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

// Of one layer: how many of the tokens chose each, and in all.
struct Choices {
  std::vector<std::int64_t> of_each;
  std::int64_t tokens = 0;

  // Gates [B, T, E], 0 where one was not chosen.
  void count(const Tensor& gates) {
    of_each.resize(static_cast<std::size_t>(gates.size(-1)));
    const auto numbers = to_vector(gates);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] != 0) ++of_each[i % of_each.size()];
    }
    tokens += gates.size(0) * gates.size(1);
  }
  double share(std::size_t which) const {
    return static_cast<double>(of_each[which]) / static_cast<double>(tokens);
  }
  // Of each, if all were chosen alike.
  double even_share() const {
    const auto chosen = std::accumulate(of_each.begin(), of_each.end(), std::int64_t{0});
    return static_cast<double>(chosen) /
           static_cast<double>(tokens * static_cast<std::int64_t>(of_each.size()));
  }
};

class RouterUse final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::healthy; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto layers = choices_of(subject);
    for (const auto& [layer, choices] : layers) {
      report(layer, attention_of(subject.config, layer)->gated(), choices, diagnosis);
    }
  }

 private:
  static constexpr std::int64_t batches = 4;

  static std::map<std::int64_t, Choices> choices_of(const Subject& subject) {
    const NoGrad no_grad;
    const auto llama = subject.model();
    std::map<std::int64_t, Choices> layers;
    for (std::int64_t step = 0; step < batches; ++step) {
      Trace trace;
      auto forward = subject.forward();
      forward.trace = &trace;
      llama->logits(token_tensors(subject.batch(step)).ids, forward);
      for (const auto& [layer, gates] : trace.gates) layers[layer].count(gates);
      if (layers.empty()) break;
    }
    return layers;
  }

  static void report(std::int64_t layer, std::string_view what, const Choices& choices,
                     Diagnosis& diagnosis) {
    const auto place = fmt::format("model.layers.{}.self_attn", layer);
    const double bound = thresholds::rarely_chosen * choices.even_share();
    double least = 1;
    std::string shares;
    for (std::size_t i = 0; i < choices.of_each.size(); ++i) {
      const double share = choices.share(i);
      least = std::min(least, share);
      shares += fmt::format("{}{:.2f}", i == 0 ? "" : ", ", 100 * share);
      if (share >= bound) continue;
      diagnosis.notes.push_back(fmt::format(
          "warning: {}: {} {} of {} was chosen by {} of {} tokens: {}", place, what, i,
          choices.of_each.size(), choices.of_each[i], choices.tokens,
          share == 0 ? "it is dead, and learns nothing"
                     : fmt::format("{:.2f} %, less than {:.2f} %", 100 * share, 100 * bound)));
    }
    diagnosis.passed(fmt::format("use of {}s, layer {}", what, layer), least, bound,
                     fmt::format("{}: chosen by so many percent of {} tokens: {}", place,
                                 choices.tokens, shares));
  }
};

const DiagnosisChecks::Add registered{"router_use", [] { return std::make_unique<RouterUse>(); }};

}  // namespace
}  // namespace lookback
