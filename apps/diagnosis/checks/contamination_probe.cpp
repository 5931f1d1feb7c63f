// A small model of the subject's kind learns a part of the training stream by heart: if validation
// falls with it and fresh draws of the same source do not, validation holds what it was trained on,
// word for word or nearly so.
#include <cmath>
#include <utility>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/probe.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2, first_steps = 64, epochs = 32, steps = first_steps * epochs;
constexpr std::int64_t points = 12;

// The first steps of a source's training, over and over.
class FirstSteps final : public TokenSource {
 public:
  explicit FirstSteps(std::shared_ptr<const TokenSource> all) : source_(std::move(all)) {}
  const Tokenizer& tokenizer() const override { return source_->tokenizer(); }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t batch_rows,
                            std::int64_t columns) const override {
    return source_->training_batch(step % first_steps, micro_step, batch_rows, columns);
  }
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override {
    return source_->evaluation_rows(columns);
  }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t batch_rows,
                              std::int64_t columns) const override {
    return source_->evaluation_batch(first_row, batch_rows, columns);
  }

 private:
  std::shared_ptr<const TokenSource> source_;
};

// Nats per token above the floor, where there is one; the standard error is that of rows.
struct Cost {
  double mean = 0, error = 0;
};

Cost cost_of(const Subject& subject, const Llama& llama, const TokenSource& source) {
  const NoGrad no_grad;
  const auto columns = subject.block_size;
  const auto all = std::min(first_steps, source.evaluation_rows(columns).value_or(first_steps));
  double sum = 0, squares = 0;
  for (std::int64_t row = 0; row < all; ++row) {
    const auto batch = source.evaluation_batch(row, 1, columns);
    const auto [ids, targets] = token_tensors(batch);
    double nats = llama.loss(ids, targets, {}, subject.forward()).loss_sum.item();
    if (source.has_floor()) {
      for (const double least : source.nats(batch)) nats -= least;
    }
    nats /= static_cast<double>(batch.scored());
    sum += nats;
    squares += nats * nats;
  }
  const auto count = static_cast<double>(all);
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(squares / count - mean * mean, 0.0) / (count - 1))};
}

class ContaminationProbe final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::contamination; }
  Effort effort() const override { return Effort::full; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "fresh draws cost more than validation, standard errors";
    const auto& validation = *subject.data.validation;
    const auto fresh = validation.fresh_draws(~subject.seed);
    if (fresh == nullptr) {
      return diagnosis.not_applicable(name, "fresh data like those of a file cannot be drawn");
    }
    const auto small = shrunk(subject, size_to_train);
    const auto llama = small.fresh_model();
    DiagnosisCurve curve{.title = "Validation and fresh draws, a probe",
                         .look_for =
                             "Both fall, then rise, together. Validation that goes on falling "
                             "holds what the probe is trained on.",
                         .x_title = "step",
                         .y_title = "nats per token above the floor"};
    curve.lines = {{.name = "validation", .values = {}}, {.name = "fresh draws", .values = {}}};
    const auto on_step = [&](const ProbeStep& step) {
      if (step.step % (steps / points) != 0) return Probe::proceed;
      curve.labels.push_back(std::to_string(step.step));
      curve.lines[0].values.push_back(cost_of(small, *llama, validation).mean);
      curve.lines[1].values.push_back(cost_of(small, *llama, *fresh).mean);
      return Probe::proceed;
    };
    train_probe(
        *llama, FirstSteps(subject.data.training),
        {.steps = steps, .batch_size = rows, .block_size = small.block_size, .learning_rate = 3e-3},
        on_step);
    diagnosis.curves.push_back(std::move(curve));
    const auto* above = validation.has_floor() ? " above its floor" : "";
    compare(name, size_of(small.config), cost_of(small, *llama, validation), above,
            cost_of(small, *llama, *fresh), diagnosis);
  }

 private:
  static void compare(const std::string& name, const std::string& size, const Cost& validation,
                      const char* above, const Cost& fresh, Diagnosis& diagnosis) {
    const double more = fresh.mean - validation.mean;
    if (!std::isfinite(more)) return diagnosis.left_out(name, "a loss that is not finite");
    const double error = std::hypot(validation.error, fresh.error);
    const double errors = more / std::max(error, 1e-12);
    const auto bound = thresholds::errors_of_contamination;
    const auto evidence = fmt::format(
        "a model of {}, after {} steps on {} rows of training: validation costs {:.3f} nats per "
        "token{}, fresh draws {:.3f}: {:.3f} more, standard error {:.3f}",
        size, steps, rows * first_steps, validation.mean, above, fresh.mean, more, error);
    if (errors > bound) {
      diagnosis.failed(Verdict::contamination, name, errors, bound,
                       evidence + ": validation holds training data");
    } else {
      diagnosis.passed(name, errors, bound, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"contamination_probe",
                                      [] { return std::make_unique<ContaminationProbe>(); }};

}  // namespace
}  // namespace lookback
