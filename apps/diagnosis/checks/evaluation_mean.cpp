// The numbers of an evaluation against the same by hand, row by row: a mean over tokens, whatever
// the size of a batch, with rows and batches of unequal length. And a loss is the same with
// gradients and without.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/evaluate.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/argmax.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 5, longest_row = 16;

// The first rows of a source, of which the last one ends early.
class FirstRows : public TokenSource {
 public:
  FirstRows(const TokenSource& all, std::int64_t count) : source_(all), count_(count) {}
  const Tokenizer& tokenizer() const override { return source_.tokenizer(); }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t batch_rows,
                            std::int64_t columns) const override {
    return source_.training_batch(step, micro_step, batch_rows, columns);
  }
  std::optional<std::int64_t> evaluation_rows(std::int64_t) const override { return count_; }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t batch_rows,
                              std::int64_t columns) const override {
    auto batch =
        source_.evaluation_batch(first_row, std::min(batch_rows, count_ - first_row), columns);
    if (first_row + batch.rows < count_) return batch;
    const auto scored = (columns + 2) / 3;
    std::fill(batch.targets.end() - (columns - scored), batch.targets.end(), ignored_target);
    return batch;
  }
  bool has_floor() const override { return source_.has_floor(); }
  std::vector<double> nats(const TokenBatch& batch) const override { return source_.nats(batch); }

 private:
  const TokenSource& source_;
  std::int64_t count_;
};

// What the model finds most likely at each position.
std::vector<std::int64_t> guesses_of(const Llama& llama, const TokenBatch& batch,
                                     const ForwardOptions& forward) {
  const auto guesses = on_host(argmax(llama.logits(token_tensors(batch).ids, forward)));
  const auto all = guesses.elements<std::int64_t>();
  return {all.begin(), all.end()};
}

// The same rows, with every other target the one that the model finds most likely: a fresh model is
// right about few others.
class HalfGuessed final : public FirstRows {
 public:
  HalfGuessed(const FirstRows& rows_of_source, const Llama& llama, const ForwardOptions& forward)
      : FirstRows(rows_of_source), llama_(llama), forward_(forward) {}
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t batch_rows,
                              std::int64_t columns) const override {
    auto batch = FirstRows::evaluation_batch(first_row, batch_rows, columns);
    const auto guesses = guesses_of(llama_, batch, forward_);
    for (std::size_t i = 0; i < guesses.size(); i += 2) {
      if (batch.targets[i] != ignored_target) batch.targets[i] = guesses[i];
    }
    return batch;
  }
  bool has_floor() const override { return false; }

 private:
  const Llama& llama_;
  ForwardOptions forward_;
};

// Sums of a source's rows, one row at a time.
struct ByHand {
  double nats = 0, floor = 0, tokens = 0, correct = 0;
};

ByHand by_hand(const Llama& llama, const TokenSource& source, std::int64_t count,
               std::int64_t columns, const ForwardOptions& forward) {
  ByHand sums;
  for (std::int64_t row = 0; row < count; ++row) {
    const auto batch = source.evaluation_batch(row, 1, columns);
    const auto [ids, targets] = token_tensors(batch);
    sums.nats += llama.loss(ids, targets, {}, forward).loss_sum.item();
    const auto guesses = guesses_of(llama, batch, forward);
    for (std::size_t i = 0; i < guesses.size(); ++i)
      sums.correct += guesses[i] == batch.targets[i] ? 1 : 0;
    sums.tokens += static_cast<double>(batch.scored());
    if (!source.has_floor()) continue;
    for (const double nats : source.nats(batch)) sums.floor += nats;
  }
  return sums;
}

// Of the larger one.
double relative_difference(double a, double b) {
  return std::fabs(a - b) / std::fmax(std::fmax(std::fabs(a), std::fabs(b)), 1e-300);
}

class EvaluationMean final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto small = shrunk(subject);
    const auto llama = small.fresh_model(DType::f64);
    with_and_without_gradients(small, *llama, diagnosis);
    const NoGrad no_grad;
    const auto columns = std::min(longest_row, small.block_size);
    const auto all = small.data.validation->evaluation_rows(columns).value_or(rows);
    const FirstRows source(*small.data.validation, std::min(rows, all));
    means("the mean of an evaluation", small, *llama, source, diagnosis);
    means("the accuracy of an evaluation", small, *llama,
          HalfGuessed(source, *llama, small.forward()), diagnosis);
  }

 private:
  static void with_and_without_gradients(const Subject& small, const Llama& llama,
                                         Diagnosis& diagnosis) {
    const std::string name = "the loss of a batch, in training and in evaluation";
    const auto [ids, targets] = token_tensors(small.batch());
    const auto count = static_cast<double>(small.batch_size * small.block_size);
    const double trained =
        llama.loss(ids, targets, {.count_correct = true}, small.forward()).loss_sum.item() / count;
    const NoGrad no_grad;
    const double evaluated =
        llama.loss(ids, targets, {.count_correct = true, .keep_nats = true}, small.forward())
            .loss_sum.item() /
        count;
    if (!std::isfinite(trained + evaluated))
      return diagnosis.left_out(name, "the loss is not finite");
    const double found = relative_difference(trained, evaluated);
    const auto evidence = fmt::format(
        "a model of {}: a batch costs {:.9g} nats per token in training and {:.9g} in "
        "evaluation",
        size_of(small.config), trained, evaluated);
    if (found > thresholds::rounding) {
      diagnosis.failed(Verdict::paths_disagree, name, found, thresholds::rounding, evidence);
    } else {
      diagnosis.passed(name, found, thresholds::rounding, evidence);
    }
  }

  static void means(const std::string& name, const Subject& small, const Llama& llama,
                    const TokenSource& source, Diagnosis& diagnosis) {
    const auto columns = std::min(longest_row, small.block_size);
    const auto all = *source.evaluation_rows(columns);
    double largest = 0;
    for (const std::int64_t batch_size : {1, 2, 3, 5}) {
      // All rows, and those of one batch.
      for (const auto read : {all, std::min(batch_size, all)}) {
        auto plan = whole_evaluation(source, batch_size, columns);
        if (read == batch_size) plan.batches = 1;
        const auto found = evaluate(llama, source, plan, small.forward());
        if (!std::isfinite(found.loss)) return diagnosis.left_out(name, "the loss is not finite");
        const auto sums = by_hand(llama, source, read, columns, small.forward());
        const double off = difference(found, sums);
        largest = std::fmax(largest, off);
        if (off <= thresholds::rounding) continue;
        return diagnosis.failed(Verdict::wrong_data, name, off, thresholds::rounding,
                                in_words(found, sums, read, batch_size));
      }
    }
    diagnosis.passed(
        name, largest, thresholds::rounding,
        fmt::format("a model of {}: the mean over tokens is the same row by row and in "
                    "batches of 1, 2, 3 and 5 rows, the last one short",
                    size_of(small.config)));
  }

  static double difference(const Evaluation& found, const ByHand& sums) {
    const auto tokens = static_cast<double>(found.tokens);
    double off = relative_difference(found.loss, sums.nats / sums.tokens);
    off = std::fmax(off, relative_difference(tokens, sums.tokens));
    off = std::fmax(off, relative_difference(found.accuracy, sums.correct / sums.tokens));
    if (found.floor)
      off = std::fmax(off, relative_difference(*found.floor, sums.floor / sums.tokens));
    return off;
  }

  static std::string in_words(const Evaluation& found, const ByHand& sums, std::int64_t read,
                              std::int64_t batch_size) {
    return fmt::format(
        "{} rows in batches of {} cost {:.9g} nats per token over {} tokens, of which {:.6g} are "
        "predicted; row by row they sum up to {:.9g} nats over {:.0f} tokens, {:.9g} each, and "
        "{:.6g} are predicted",
        read, batch_size, found.loss, found.tokens, found.accuracy, sums.nats, sums.tokens,
        sums.nats / sums.tokens, sums.correct / sums.tokens);
  }
};

const DiagnosisChecks::Add registered{"evaluation_mean",
                                      [] { return std::make_unique<EvaluationMean>(); }};

}  // namespace
}  // namespace lookback
