#include "apps/diagnosis/recorded_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "apps/diagnosis/as_reference.h"
#include "apps/diagnosis/own_hooks.h"
#include "apps/train/trainer.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/copy_of.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t steps_of_no_run = 1000;
constexpr std::int64_t different_tokens = 7;

// The forward pass of the subject, healthy in what becomes of its loss.
class HooksOfForward final : public OwnHooks {
 public:
  using OwnHooks::OwnHooks;
  bool capturable() const override { return own().capturable(); }
};

// Micro-batches by a formula: other tokens in each, and other numbers of targets.
class UnequalTargets final : public TokenSource {
 public:
  explicit UnequalTargets(const Subject& subject)
      : tokenizer_(subject.data.training->tokenizer()),
        words_(static_cast<std::uint64_t>(std::min(different_tokens, subject.config.vocab_size))),
        seed_(subject.seed) {}

  const Tokenizer& tokenizer() const override { return tokenizer_; }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override {
    TokenBatch batch{.rows = rows, .columns = columns, .inputs = {}, .targets = {}};
    const auto number = 3000 + 100 * static_cast<std::uint64_t>(step);
    RandomStream random(
        seed_, stream_of(RandomUse::diagnosis, number + static_cast<std::uint64_t>(micro_step)));
    // The third micro-batch of a step has no target at all.
    const auto count = rows * columns;
    const auto scored = micro_step == 2 ? 0 : 1 + (5 * micro_step + 3 * step) % count;
    for (std::int64_t i = 0; i < count; ++i) {
      batch.inputs.push_back(static_cast<std::int64_t>(random.below(words_)));
      const auto target = static_cast<std::int64_t>(random.below(words_));
      batch.targets.push_back(i < scored ? target : ignored_target);
    }
    return batch;
  }
  std::optional<std::int64_t> evaluation_rows(std::int64_t) const override { return 0; }
  TokenBatch evaluation_batch(std::int64_t, std::int64_t, std::int64_t) const override {
    fail("diagnosis", "micro-batches of unequal targets are trained on alone");
  }

 private:
  const Tokenizer& tokenizer_;
  std::uint64_t words_, seed_;
};

std::vector<book::Values> values_of(const Llama& llama) {
  std::vector<book::Values> all;
  for (const auto& parameter : llama.parameters()) all.push_back(to_vector(parameter.tensor));
  return all;
}

void set_values(const Llama& llama, const std::vector<book::Values>& values) {
  const auto parameters = llama.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& tensor = parameters[i].tensor;
    const auto given = to_device(from_values(values[i], tensor.shape()), tensor.device());
    copy_into(given, tensor);
    tensor.storage()->bump_version();
  }
}

// Clears them, too.
std::vector<book::Values> gradients_of(const Llama& llama) {
  std::vector<book::Values> all;
  for (const auto& parameter : llama.parameters()) {
    const auto found = gradient(parameter.tensor);
    all.push_back(found.defined() ? to_vector(found) : book::Values());
    clear_gradient(parameter.tensor);
  }
  return all;
}

// The micro-batches of a step, each by itself.
std::vector<book::MicroBatch> evaluated(const Llama& llama, const std::vector<TokenBatch>& batches,
                                        const ForwardOptions& forward) {
  std::vector<book::MicroBatch> all;
  double targets = 0, tokens = 0;
  for (const auto& batch : batches) {
    const auto scored = std::ranges::count_if(batch.targets, [](auto t) { return t >= 0; });
    all.push_back({.targets = static_cast<double>(scored),
                   .tokens = static_cast<double>(batch.inputs.size())});
    targets += all.back().targets;
    tokens += all.back().tokens;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto inputs = token_tensors(batches[i]);
    const auto found = llama.loss(inputs.ids, inputs.targets, {.count_correct = true}, forward);
    all[i].loss = found.loss_sum.item();
    all[i].correct = found.correct.item();
    auto total = found.loss_sum;
    if (found.auxiliary.defined()) {
      all[i].auxiliary_loss = found.auxiliary.item();
      total = total + found.auxiliary * book::auxiliary_weight(all[i], tokens, targets);
    }
    backward(total);
    all[i].gradients = gradients_of(llama);
  }
  return all;
}

bool is_finite(const book::Step& step) {
  const auto all_finite = [](const std::vector<book::Values>& all) {
    return std::ranges::all_of(all, [](const auto& values) {
      return std::ranges::all_of(values, [](double each) { return std::isfinite(each); });
    });
  };
  return all_finite(step.before) && all_finite(step.after) &&
         std::ranges::all_of(step.micro_batches,
                             [&](const auto& each) { return all_finite(each.gradients); });
}

std::vector<TokenBatch> wanted_batches(const TokenSource& source, const TrainOptions& options,
                                       std::int64_t step) {
  std::vector<TokenBatch> all;
  for (std::int64_t i = 0; i < options.gradient_accumulation_steps; ++i)
    all.push_back(source.training_batch(step, i, options.batch_size, options.block_size));
  return all;
}

// Empty: they are equal.
std::string wrong_one(const std::vector<TokenBatch>& given, const std::vector<TokenBatch>& wanted,
                      std::int64_t step) {
  if (given.size() != wanted.size())
    return fmt::format("step {} has {} micro-batches, not {}", step + 1, given.size(),
                       wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (given[i].inputs == wanted[i].inputs && given[i].targets == wanted[i].targets) continue;
    return fmt::format("micro-batch {} of step {} is not what the data give for it", i + 1,
                       step + 1);
  }
  return {};
}

book::Run run_of(const Llama& llama, const StepPlan& plan) {
  const auto& options = plan.options;
  book::Run run{.beta1 = options.adam_beta1,
                .beta2 = options.adam_beta2,
                .epsilon = options.adam_epsilon,
                .decay = options.weight_decay,
                .max_norm = options.max_grad_norm,
                .rounding = plan.dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                                                     : std::numeric_limits<float>::epsilon()};
  const auto given = optimized_parameters(llama);
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    run.parameters.push_back(
        {.name = name,
         .dimensions = tensor.rank(),
         .trained = std::ranges::count(given, name, &NamedParameter::name) > 0});
  }
  return run;
}

}  // namespace

double book_rate(const TrainOptions& options, std::int64_t step) {
  static const std::map<ScheduleKind, book::Kind> kinds = {
      {ScheduleKind::cosine, book::Kind::cosine},
      {ScheduleKind::linear, book::Kind::linear},
      {ScheduleKind::constant, book::Kind::constant},
      {ScheduleKind::warmup_stable_decay, book::Kind::stable}};
  return book::learning_rate({.kind = kinds.at(options.lr_scheduler_type),
                              .peak = options.learning_rate,
                              .minimum_ratio = options.min_learning_rate_ratio,
                              .warmup = *options.warmup_steps,
                              .decay = options.decay_steps.value_or(0),
                              .steps = *options.max_steps},
                             step);
}

TrainOptions planned_options(const Subject& subject) {
  auto options = subject.options;
  if (!options.max_steps) options.max_steps = steps_of_no_run;
  resolve_steps(options, std::nullopt);
  return options;
}

RecordedSteps record_steps(const Subject& subject, const StepPlan& plan) {
  const auto trained = subject.fresh_model(plan.dtype), fresh = subject.fresh_model(plan.dtype);
  disturb(*trained, subject.seed);
  const UnequalTargets source(subject);
  auto options = plan.options;
  options.no_cross_document_attention = false;  // the source has no documents to be kept apart
  const HooksOfForward hooks(trained->model.hooks());
  auto forward = forward_options_of(options, *trained);
  forward.hooks = &hooks;
  Trainer trainer(*trained, options, forward);
  RecordedSteps result{.run = run_of(*trained, plan), .reported = {}};
  for (std::int64_t s = 0; s < plan.steps; ++s) {
    book::Step step{.rate = book_rate(options, s), .before = values_of(*trained)};
    const auto batches = trainer.micro_batches(source, s);
    set_values(*fresh, step.before);
    const auto wanted = wanted_batches(source, options, s);
    if (result.wrong_batch.empty()) result.wrong_batch = wrong_one(batches, wanted, s);
    step.micro_batches = evaluated(*fresh, wanted, forward);
    result.reported.push_back(trainer.take(s, batches).read());
    step.after = values_of(*trained);
    result.finite = result.finite && is_finite(step);
    result.run.steps.push_back(std::move(step));
  }
  return result;
}

}  // namespace lookback
