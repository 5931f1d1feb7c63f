// A fresh model is trained on the training data: does its loss fall there and nowhere else?
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/memory_gap.h"
#include "apps/diagnosis/probe.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

constexpr std::int64_t max_step_count = 400, points = 20;

class MemorizationProbe final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::memorisation; }
  Effort effort() const override { return Effort::full; }
  void run(const Subject& all, Diagnosis& diagnosis) const override {
    const auto subject = to_train(all, max_step_count * all.batch_size * all.block_size);
    const auto steps = steps_for(subject);
    const auto name =
        fmt::format("loss on validation less that on training, after {} steps", steps);
    if (steps < points)
      return diagnosis.not_applicable(name, "the training data are too few for a probe");
    const auto llama = subject.fresh_model();
    DiagnosisCurve curve{.title = "Training and fresh data, a probe",
                         .look_for = "A training loss that falls while that of fresh data stays.",
                         .x_title = "step",
                         .y_title = "nats per token"};
    curve.lines = {{.name = "training", .values = {}}, {.name = "fresh data", .values = {}}};
    const auto on_step = [&](const ProbeStep& step) {
      if (step.step % (steps / points) != 0) return Probe::proceed;
      const auto gap = memory_gap(subject, *llama);
      curve.labels.push_back(std::to_string(step.step));
      curve.lines[0].values.push_back(gap.training.nats);
      curve.lines[1].values.push_back(gap.validation.nats);
      return Probe::proceed;
    };
    train_probe(*llama, *subject.data.training,
                {.steps = steps,
                 .batch_size = subject.batch_size,
                 .block_size = subject.block_size,
                 .learning_rate = 3e-3},
                on_step);
    diagnosis.curves.push_back(std::move(curve));
    const auto gap = memory_gap(subject, *llama);
    const auto evidence = fmt::format("a model of {}: {}", size_of(subject.config), gap.evidence());
    if (gap.is_memory()) {
      diagnosis.failed(Verdict::memorisation, name, gap.nats(), thresholds::memorized_nats,
                       evidence);
    } else {
      diagnosis.passed(name, gap.nats(), thresholds::memorized_nats, evidence);
    }
  }

 private:
  static std::int64_t steps_for(const Subject& subject) {
    const auto tokens = subject.data.training->tokens();
    if (!tokens) return max_step_count;
    const auto per_step = static_cast<double>(subject.batch_size * subject.block_size);
    const double most = thresholds::epochs_of_a_probe * static_cast<double>(*tokens) / per_step;
    return static_cast<std::int64_t>(std::min(most, static_cast<double>(max_step_count)));
  }
};

const DiagnosisChecks::Add registered{"memorisation_probe",
                                      [] { return std::make_unique<MemorizationProbe>(); }};

}  // namespace
}  // namespace lookback
