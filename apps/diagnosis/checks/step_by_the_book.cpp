// Steps of the code that trains against the book (step_book.h), number by number: clipping, AdamW
// with its corrections, what decays, the rate, gradients that are cleared, and the sum over 1, 3
// and 7 micro-batches of unequal targets, in f64; a step in f32; and two with products in bf16, the
// second of which reads the copies of the weights that the first has written. The first run has the
// subject's own options. Those of the others differ from each other and from all defaults: where
// two are equal, or 0, one that is taken for the other does not show.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/recorded_steps.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

constexpr std::int64_t most_words = 61, rows = 2, longest = 5;
// Of 32 numbers each: an embedding larger than the chunks in which AdamW goes through tensors.
constexpr std::int64_t many_words = 1100;

struct Named {
  std::string name;
  StepPlan plan;
};

TrainOptions own_options(const Subject& subject, std::int64_t micro_batches, double max_norm) {
  auto options = subject.options;
  options.gradient_accumulation_steps = micro_batches;
  options.max_grad_norm = max_norm;
  options.adam_beta1 = 0.8;
  options.adam_beta2 = 0.97;
  options.adam_epsilon = 1e-6;
  options.weight_decay = 0.3;
  options.learning_rate = 0.007;
  options.lr_scheduler_type = ScheduleKind::linear;
  options.min_learning_rate_ratio = 0.1;
  options.warmup_steps = 2;
  options.max_steps = 5;
  return options;
}

// `norm`: of the gradients of the run's own steps, over fewer targets. A limit a little above
// leaves theirs alone, and not the norm of a sum over all targets.
std::vector<Named> further_plans(const Subject& subject, double norm) {
  const double above = 1.5 * norm, below = norm / 16;
  return {
      {"steps by the book, 3 micro-batches", {.options = own_options(subject, 3, above)}},
      {"steps by the book, 7 micro-batches, clipped", {.options = own_options(subject, 7, below)}},
      {"a step by the book in float32, clipped",
       {.options = own_options(subject, 1, below), .dtype = DType::f32, .steps = 1}},
      {"two steps by the book in bfloat16",
       {.options = own_options(subject, 2, above), .dtype = DType::bf16, .steps = 2}}};
}

Named own_plan(const Subject& subject) {
  auto options = planned_options(subject);
  options.gradient_accumulation_steps = 1;
  return {"steps by the book, the run's own options", {.options = options}};
}

double largest_norm(const book::Run& run) {
  double norm = 0;
  for (const auto& step : run.steps) norm = std::fmax(norm, book::gradient_norm(step));
  return norm;
}

bool differ(double a, double b, double rounding) {
  const double share = std::max(thresholds::step_roundings * rounding, thresholds::rounding);
  return !(std::fabs(a - b) <= share * std::max(std::fabs(b), 1.0));
}

std::string in_words(std::size_t micro_batches) {
  return micro_batches == 1 ? "one micro-batch" : fmt::format("{} micro-batches", micro_batches);
}

// What a step says of itself and is not so; empty: all is.
std::string wrong_words(const RecordedSteps& recorded) {
  for (std::size_t s = 0; s < recorded.reported.size(); ++s) {
    const auto& step = recorded.run.steps[s];
    const auto& said = recorded.reported[s];
    double targets = 0, correct = 0;
    for (const auto& each : step.micro_batches) {
      targets += each.targets;
      correct += each.correct;
    }
    struct Number {
      std::string_view name;
      double said, found;
    };
    for (const auto& [name, reported, found] :
         {Number{"a loss", said.loss, book::mean_loss(step)},
          Number{"a gradient norm", said.grad_norm, book::gradient_norm(step)},
          Number{"an auxiliary loss", said.auxiliary_loss.value_or(0),
                 book::mean_auxiliary_loss(step)},
          Number{"a number of targets", static_cast<double>(said.targets), targets},
          Number{"a number of correct tokens", static_cast<double>(said.correct), correct}}) {
      if (!differ(reported, found, recorded.run.rounding)) continue;
      return fmt::format("step {}, of {}, says {} of {:.9g}, and it is {:.9g}", s + 1,
                         in_words(step.micro_batches.size()), name, reported, found);
    }
  }
  return {};
}

std::string rate_in_words(const std::vector<double>& ratios) {
  const auto [least, most] = std::ranges::minmax(ratios);
  if (most - least <= 1e-6 * std::fabs(most))
    return fmt::format("learning rate: all changes are {:.6g} times those of the schedule's", most);
  std::string text;
  for (const double ratio : ratios)
    text += fmt::format("{}{:.6g}", text.empty() ? "" : ", ", ratio);
  return fmt::format("learning rate: the changes of each step are {} times those of the schedule's",
                     text);
}

// The part that is wrong, as far as the changes tell, and what the step says of itself.
std::string part_of(const RecordedSteps& recorded, const book::Misfit& found) {
  const auto& run = recorded.run;
  for (const auto& [part, what, rules] : book::known_mistakes()) {
    if (book::misfit(run, rules).of_bound <= 1) return fmt::format("{}: {}", part, what);
  }
  if (book::misfit(run, {}, found.ratios).of_bound <= 1) return rate_in_words(found.ratios);
  if (const auto wrong = wrong_words(recorded); !wrong.empty()) return wrong;
  if (found.vectors != found.matrices) {
    return fmt::format("weight decay, or what the optimizer is given: only {} are wrong",
                       found.vectors ? "gains, biases and learned numbers" : "matrices");
  }
  if (found.step > 0) return "the moments, or gradients of earlier steps: the first step is right";
  return "the sum of the gradients, their scale or AdamW's formula";
}

class StepByTheBook final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_step; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    auto small = shrunk(subject);
    const auto norm = take(small, own_plan(small), diagnosis);
    if (!norm) return;
    for (const auto& plan : further_plans(small, *norm)) take(small, plan, diagnosis);
  }

 private:
  // The norm of the steps' gradients, where it is a number.
  static std::optional<double> take(Subject subject, Named named, Diagnosis& diagnosis) {
    auto& [name, plan] = named;
    plan.options.batch_size = rows;
    plan.options.block_size = std::min(longest, subject.config.max_position_embeddings);
    subject.config.vocab_size =
        plan.dtype == DType::f32 ? many_words : std::min(subject.config.vocab_size, most_words);
    const auto recorded = record_steps(subject, plan);
    hold(recorded, name, diagnosis);
    return recorded.finite ? std::optional(largest_norm(recorded.run)) : std::nullopt;
  }

  static void hold(const RecordedSteps& recorded, const std::string& name, Diagnosis& diagnosis) {
    const auto& run = recorded.run;
    if (!recorded.finite) return diagnosis.left_out(name, "gradients or weights are not finite");
    if (!recorded.wrong_batch.empty()) {
      return diagnosis.failed(Verdict::wrong_data, name, 1, 0, recorded.wrong_batch);
    }
    const auto found = book::misfit(run);
    if (!(found.of_bound <= 1)) return refuse(recorded, found, name, diagnosis);
    if (const auto wrong = wrong_words(recorded); !wrong.empty())
      return diagnosis.failed(Verdict::wrong_step, name, 1, 0, wrong);
    diagnosis.compared(
        Verdict::wrong_step, name, "AdamW by its formula, in doubles", found.of_bound, 1,
        fmt::format("steps taken: {}, of {}; each of {} parameters changes as AdamW's "
                    "formula says of gradients taken anew, but for {:.2g} of the learning rate, "
                    "{:.2g} of what rounding allows",
                    run.steps.size(), in_words(run.steps[0].micro_batches.size()),
                    run.parameters.size(), found.of_rate, found.of_bound));
  }

  static void refuse(const RecordedSteps& recorded, const book::Misfit& found,
                     const std::string& name, Diagnosis& diagnosis) {
    const auto& run = recorded.run;
    diagnosis.failed(
        Verdict::wrong_step, name, found.of_bound, 1,
        fmt::format("{}; in step {}, of {}, {} changes by {:.6g}, and by the book by {:.6g}",
                    part_of(recorded, found), found.step + 1,
                    in_words(run.steps[0].micro_batches.size()),
                    run.parameters[found.parameter].name, found.found, found.expected));
  }
};

const DiagnosisChecks::Add registered{"step_by_the_book",
                                      [] { return std::make_unique<StepByTheBook>(); }};

}  // namespace
}  // namespace lookback
