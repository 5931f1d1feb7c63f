// Training data that can only be learned by heart, and weights that did.
#include <cmath>
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"

namespace lookback {
namespace {

// Nats per token, mean and standard error over the tokens that count.
struct Loss {
  double mean = 0, error = 0;
};

class Memorisation final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::memorisation; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    repeated_rows(subject, diagnosis);
    if (subject.has_weights()) gap(subject, diagnosis);
  }

 private:
  // An endless source draws new rows each time; one that repeats itself is a small set in disguise.
  static void repeated_rows(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "rows of training that are new";
    if (subject.data.training->tokens()) {
      return diagnosis.left_out(name, "the training data are finite: epochs repeat them openly");
    }
    constexpr std::int64_t steps = 32, rows = 16, columns = 64;
    std::set<std::vector<std::int64_t>> distinct;
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto batch = subject.data.training->training_batch(step, 0, rows, columns);
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto begin = batch.inputs.begin() + row * columns;
        distinct.emplace(begin, begin + columns);
      }
    }
    const auto share = static_cast<double>(distinct.size()) / static_cast<double>(steps * rows);
    const auto evidence = fmt::format("{} rows drawn from the training data are {} different ones",
                                      steps * rows, distinct.size());
    if (share < thresholds::new_rows) {
      diagnosis.failed(Verdict::memorisation, name, share, thresholds::new_rows,
                       evidence + ": their loss goes to 0 without anything learned");
    } else {
      diagnosis.passed(name, share, thresholds::new_rows, evidence);
    }
  }

  // What the weights know of their training data and not of others.
  static void gap(const Subject& subject, Diagnosis& diagnosis) {
    const NoGrad no_grad;
    const std::string name = "loss on validation less that on training";
    const auto llama = subject.model();
    const auto trained =
        loss_of(subject, *llama, [&](std::int64_t step) { return subject.batch(step); });
    const auto rows = subject.data.validation->evaluation_rows(subject.block_size);
    const auto fresh = loss_of(subject, *llama, [&](std::int64_t step) {
      const auto first = step * subject.batch_size;
      if (rows && first >= *rows) return TokenBatch{};
      return subject.data.validation->evaluation_batch(first, subject.batch_size,
                                                       subject.block_size);
    });
    const double found = fresh.mean - trained.mean;
    const double error = std::hypot(fresh.error, trained.error);
    const bool large = found > thresholds::memorised_nats &&
                       found > thresholds::errors_of_a_gap * error &&
                       trained.mean < thresholds::memorised_share * fresh.mean;
    const auto evidence = fmt::format(
        "training data cost {:.3f} nats per token, validation {:.3f}: {:.3f} more "
        "(standard error {:.3f})",
        trained.mean, fresh.mean, found, error);
    if (large) {
      diagnosis.failed(Verdict::memorisation, name, found, thresholds::memorised_nats, evidence);
    } else {
      diagnosis.passed(name, found, thresholds::memorised_nats, evidence);
    }
  }

  template <class BatchOf>
  static Loss loss_of(const Subject& subject, const Llama& llama, const BatchOf& batch_of) {
    constexpr std::int64_t batches = 8;
    double sum = 0, squares = 0, count = 0;
    for (std::int64_t step = 0; step < batches; ++step) {
      const auto batch = batch_of(step);
      if (batch.rows == 0) break;
      const auto [ids, targets] = token_tensors(batch);
      const auto loss = llama.loss(ids, targets, {.keep_nats = true}, subject.forward());
      for (const auto nats : loss.nats.template elements<float>()) {
        sum += static_cast<double>(nats);
        squares += static_cast<double>(nats) * static_cast<double>(nats);
      }
      count += loss.count.item();
    }
    const double mean = sum / std::max(count, 1.0);
    return {mean, std::sqrt(std::max(0.0, squares / std::max(count, 1.0) - mean * mean) /
                            std::max(count, 1.0))};
  }
};

const DiagnosisChecks::Add registered{"memorisation",
                                      [] { return std::make_unique<Memorisation>(); }};

}  // namespace
}  // namespace lookback
