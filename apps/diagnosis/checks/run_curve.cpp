// What the curve of a run shows: training that goes on where validation does not, a plateau at a
// number that has a meaning, exact zeros, a loss below what can be known.
#include "apps/diagnosis/run_curve.h"

#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

class RunCurveCheck final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::memorisation; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    if (!subject.run || !subject.folder) return;
    const auto path = *subject.folder / "metrics.jsonl";
    if (!std::filesystem::exists(path)) return;
    const auto curve = read_run_curve(path);
    if (curve.training.empty()) return diagnosis.not_applicable("curve", "the run has no step yet");
    draw(curve, diagnosis);
    name_plateau(subject, curve, diagnosis);
    name_zeros(curve, diagnosis);
    above_guessing(subject, curve, diagnosis);
    first_norm(curve, diagnosis);
    below_floor(curve, diagnosis);
    overfitting(curve, diagnosis);
  }

 private:
  static void draw(const RunCurve& curve, Diagnosis& diagnosis) {
    DiagnosisCurve picture{.title = "The run's loss",
                           .look_for =
                               "Training that falls on while validation stays or rises is "
                               "learning by heart; nothing true falls below the floor.",
                           .x_title = "step",
                           .y_title = "nats per token"};
    DiagnosisCurve::Line training{"training", {}}, validation{"validation", {}}, floor{"floor", {}};
    auto evaluation = curve.validation.begin();
    for (const auto& line : curve.training) {
      picture.labels.push_back(std::to_string(line.step));
      training.values.push_back(line.loss);
      while (evaluation != curve.validation.end() && evaluation->step < line.step) ++evaluation;
      const bool here = evaluation != curve.validation.end() && evaluation->step == line.step;
      const double nothing = std::nan("");
      validation.values.push_back(here ? evaluation->loss : nothing);
      floor.values.push_back(here && evaluation->floor ? *evaluation->floor : nothing);
    }
    picture.lines = {training, validation};
    const auto known = [](double value) { return !std::isnan(value); };
    if (std::ranges::any_of(floor.values, known)) picture.lines.push_back(floor);
    diagnosis.curves.push_back(picture);
  }

  static void name_plateau(const Subject& subject, const RunCurve& curve, Diagnosis& diagnosis) {
    std::vector<double> losses;
    for (const auto& line : curve.training) losses.push_back(line.loss);
    const auto levels = known_levels(*subject.data.training, subject.config.vocab_size);
    if (const auto level = plateau_of(losses, levels, thresholds::plateau_nats)) {
      diagnosis.notes.push_back(
          fmt::format("the training loss stands still at {:.3f}, {}", level->nats, level->meaning));
    }
  }

  static void name_zeros(const RunCurve& curve, Diagnosis& diagnosis) {
    for (const auto& line : curve.training) {
      const auto* what = line.loss == 0            ? "loss"
                         : line.grad_norm == 0     ? "gradient norm"
                         : line.learning_rate == 0 ? "learning rate"
                                                   : nullptr;
      // A schedule may end at 0.
      if (what == nullptr || (line.learning_rate == 0 && &line == &curve.training.back())) continue;
      diagnosis.notes.push_back(fmt::format("the {} is exactly 0 at step {}", what, line.step));
      return;
    }
  }

  // A model that knows nothing costs ln V.
  static void above_guessing(const Subject& subject, const RunCurve& curve, Diagnosis& diagnosis) {
    const double guessing = std::log(static_cast<double>(subject.config.vocab_size));
    const auto above = [&](const auto& line) {
      return line.loss > guessing + thresholds::nats_above_guessing;
    };
    const auto last = std::find_if(curve.training.rbegin(), curve.training.rend(), above);
    if (last == curve.training.rend()) return;
    const auto worst = std::ranges::max_element(curve.training, {}, &RunCurve::Line::loss);
    diagnosis.notes.push_back(fmt::format(
        "the training loss stands above ln V = {:.3f}, which guessing costs, until step {} of {} "
        "({:.4g} at step {}): a learning rate that is too high, or a sum in place of a mean",
        guessing, last->step, curve.training.back().step, worst->loss, worst->step));
  }

  static void first_norm(const RunCurve& curve, Diagnosis& diagnosis) {
    if (curve.training.size() < 2) return;
    const auto &first = curve.training[0], &second = curve.training[1];
    if (!(first.grad_norm > thresholds::first_norm * second.grad_norm) || second.grad_norm == 0)
      return;
    diagnosis.notes.push_back(fmt::format(
        "the gradient norm is {:.4g} at step {} and {:.4g} at step {}: something begins where it "
        "is very steep, such as a row of the embedding that is 0",
        first.grad_norm, first.step, second.grad_norm, second.step));
  }

  static void below_floor(const RunCurve& curve, Diagnosis& diagnosis) {
    if (curve.validation.empty()) return;
    const auto& last = curve.validation.back();
    if (!last.floor || !last.floor_error || *last.floor_error <= 0) return;
    const double errors = (last.loss - *last.floor) / *last.floor_error;
    const auto evidence =
        fmt::format("validation loss {:.4f}, floor {:.4f}: {:+.1f} standard errors", last.loss,
                    *last.floor, errors);
    const std::string name = "validation loss against its floor";
    if (errors < -thresholds::errors_below_floor) {
      diagnosis.failed(Verdict::causal_leak, name, errors, -thresholds::errors_below_floor,
                       evidence + ": it sees the answer");
    } else {
      diagnosis.passed(name, errors, -thresholds::errors_below_floor, evidence);
    }
  }

  // Training accuracy towards 1 while validation has long been at its best.
  static void overfitting(const RunCurve& curve, Diagnosis& diagnosis) {
    if (curve.validation.empty()) return;
    const auto& train = curve.training.back();
    const auto& last = curve.validation.back();
    const auto best = std::ranges::min_element(curve.validation, {}, &RunCurve::Evaluation::loss);
    const double gap = last.loss - train.loss;
    const auto evidence = fmt::format(
        "training loss {:.3f} (accuracy {:.2f}), validation {:.3f} (accuracy {:.2f}), at its best "
        "{:.3f} at step {}",
        train.loss, train.accuracy, last.loss, last.accuracy, best->loss, best->step);
    const std::string name = "training against validation over the run";
    const bool by_heart =
        gap > thresholds::memorized_nats && train.loss < thresholds::memorized_share * last.loss;
    if (by_heart) {
      diagnosis.failed(Verdict::memorisation, name, gap, thresholds::memorized_nats, evidence);
    } else {
      diagnosis.passed(name, gap, thresholds::memorized_nats, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"run_curve",
                                      [] { return std::make_unique<RunCurveCheck>(); }};

}  // namespace
}  // namespace lookback
