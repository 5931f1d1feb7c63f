// Training a small model of the subject's kind on a Markov chain: one look back tells all there is
// to know. A model whose paths are cut learns how frequent each token is and stops at that entropy.
#include <numeric>

#include "apps/data/built_in_source.h"
#include "apps/data/markov_chain.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/probe.h"

namespace lookback {
namespace {

constexpr std::size_t window = 20;  // steps whose mean is the loss

double last_loss(const std::vector<ProbeStep>& steps) {
  const auto count = std::min(window, steps.size());
  const auto first = steps.end() - static_cast<std::ptrdiff_t>(count);
  const double sum =
      std::accumulate(first, steps.end(), 0.0,
                      [](double total, const ProbeStep& step) { return total + step.loss; });
  return sum / static_cast<double>(std::max<std::size_t>(count, 1));
}

class ContextProbe final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::severed_path; }
  Effort effort() const override { return Effort::full; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "Markov chain below its unigram entropy";
    if (subject.config.vocab_size < MarkovChain::states) {
      return diagnosis.not_applicable(
          name, fmt::format("the chain has {} states, the vocabulary {} words", MarkovChain::states,
                            subject.config.vocab_size));
    }
    const auto source = make_built_in_source("markov", subject.seed, BuiltInPart::fresh);
    const auto small = shrunk(subject, size_to_train);
    const auto llama = small.fresh_model();
    const auto steps = train_probe(
        *llama, *source,
        {.steps = 600, .batch_size = 8, .block_size = small.block_size, .learning_rate = 3e-3});
    draw(steps, diagnosis);
    const double loss = last_loss(steps), bound = MarkovChain::unigram_entropy();
    const auto evidence = fmt::format(
        "a model of {} on a Markov chain: loss {:.3f} after {} steps; floor {:.3f}, entropy of "
        "single tokens {:.3f}",
        size_of(small.config), loss, steps.size(), MarkovChain::entropy_rate(), bound);
    // Halfway to the floor: what a model without context can never reach.
    const double halfway = (bound + MarkovChain::entropy_rate()) / 2;
    if (loss < halfway) {
      diagnosis.passed(name, loss, halfway, evidence);
    } else {
      diagnosis.failed(Verdict::severed_path, name, loss, halfway, evidence);
    }
  }

 private:
  static void draw(const std::vector<ProbeStep>& steps, Diagnosis& diagnosis) {
    DiagnosisCurve curve{.title = "Training on a Markov chain",
                         .look_for =
                             "A model that looks back falls from the entropy of single "
                             "tokens towards the floor; one that is cut stays there.",
                         .x_title = "step",
                         .y_title = "nats per token"};
    DiagnosisCurve::Line loss{"loss", {}}, floor{"floor", {}}, single{"single tokens", {}};
    for (const auto& step : steps) {
      curve.labels.push_back(std::to_string(step.step));
      loss.values.push_back(step.loss);
      floor.values.push_back(MarkovChain::entropy_rate());
      single.values.push_back(MarkovChain::unigram_entropy());
    }
    curve.lines = {loss, floor, single};
    diagnosis.curves.push_back(curve);
  }
};

const DiagnosisChecks::Add registered{"context_probe",
                                      [] { return std::make_unique<ContextProbe>(); }};

}  // namespace
}  // namespace lookback
