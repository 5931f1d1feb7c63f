// Training a small model of the subject's kind on tokens that cannot be predicted: the loss of a
// batch that was never seen cannot fall below its floor, unless the model sees the answer.
#include <cmath>

#include "apps/data/uniform_source.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/probe.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

constexpr std::size_t window = 20;  // steps over which losses are held against the floor
constexpr std::int64_t words = 256;

// Mean of (loss - floor) over the last steps, in standard errors.
double errors_above_floor(const std::vector<ProbeStep>& steps) {
  if (steps.size() < window) return 0;
  double sum = 0, squares = 0;
  for (auto step = steps.end() - static_cast<std::ptrdiff_t>(window); step != steps.end(); ++step) {
    const double above = step->loss - step->floor;
    sum += above;
    squares += above * above;
  }
  const double count = static_cast<double>(window), mean = sum / count;
  const double error = std::sqrt(std::max(squares / count - mean * mean, 0.0) / count);
  return mean / std::max(error, 1e-12);
}

class FloorProbe final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::causal_leak; }
  Effort effort() const override { return Effort::full; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    constexpr std::int64_t steps_at_most = 1500, rows = 16, tokens = 32;
    auto probed = to_train(subject, steps_at_most * rows * tokens);
    probed.block_size = std::min(tokens, probed.config.max_position_embeddings);
    const UniformSource source(subject.seed, BuiltInPart::fresh,
                               std::min(words, subject.config.vocab_size));
    const ProbePlan plan{.steps = steps_at_most,
                         .batch_size = rows,
                         .block_size = probed.block_size,
                         .learning_rate = 3e-3};
    const auto llama = probed.fresh_model();
    std::vector<ProbeStep> seen;
    const auto steps = train_probe(*llama, source, plan, [&](const ProbeStep& step) {
      seen.push_back(step);
      constexpr double far = 0.3;  // nats: there is nothing more to show
      const bool far_below = step.loss < step.floor - far &&
                             errors_above_floor(seen) < -thresholds::errors_below_floor;
      return far_below ? Probe::stop : Probe::proceed;
    });
    draw(steps, diagnosis);
    const double errors = errors_above_floor(steps);
    const auto evidence =
        fmt::format("a model of {} on random tokens: loss {:.3f} after {} steps, floor {:.3f}",
                    size_of(probed.config), steps.back().loss, steps.size(), steps.back().floor);
    const std::string name = "floor of random tokens";
    if (errors < -thresholds::errors_below_floor) {
      diagnosis.failed(Verdict::causal_leak, name, errors, -thresholds::errors_below_floor,
                       evidence + ": it sees the answer");
    } else {
      diagnosis.passed(name, errors, -thresholds::errors_below_floor, evidence);
    }
  }

 private:
  static void draw(const std::vector<ProbeStep>& steps, Diagnosis& diagnosis) {
    DiagnosisCurve curve{.title = "Training on random tokens",
                         .look_for =
                             "No honest model gets below the floor: nothing tells the next "
                             "token.",
                         .x_title = "step",
                         .y_title = "nats per token"};
    DiagnosisCurve::Line loss{"loss", {}}, floor{"floor", {}};
    for (const auto& step : steps) {
      curve.labels.push_back(std::to_string(step.step));
      loss.values.push_back(step.loss);
      floor.values.push_back(step.floor);
    }
    curve.lines = {loss, floor};
    diagnosis.curves.push_back(curve);
  }
};

const DiagnosisChecks::Add registered{"floor_probe", [] { return std::make_unique<FloorProbe>(); }};

}  // namespace
}  // namespace lookback
