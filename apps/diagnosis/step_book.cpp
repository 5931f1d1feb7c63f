#include "apps/diagnosis/step_book.h"

#include <algorithm>
#include <cmath>

#include "apps/diagnosis/thresholds.h"

namespace lookback::book {
namespace {

double targets_of(const Step& step) {
  double all = 0;
  for (const auto& each : step.micro_batches) all += each.targets;
  return std::max(all, 1.0);
}

double tokens_of(const Step& step) {
  double all = 0;
  for (const auto& each : step.micro_batches) all += each.tokens;
  return all;
}

void add(Values& sum, const Values& values, double times) {
  for (std::size_t i = 0; i < values.size(); ++i) sum[i] += times * values[i];
}

// What a micro-batch's gradients are multiplied by before they are added.
double weight_of(const Step& step, std::size_t index, Rules::Total total) {
  const auto count = static_cast<double>(step.micro_batches.size());
  const double targets = targets_of(step);
  const bool is_first = index == 0, is_last = index + 1 == step.micro_batches.size();
  switch (total) {
    case Rules::Total::over_targets: break;
    case Rules::Total::over_tokens: return 1 / tokens_of(step);
    case Rules::Total::undivided: return 1;
    case Rules::Total::divided_again: return 1 / targets / count;
    case Rules::Total::mean_of_means:
      return 1 / std::max(step.micro_batches[index].targets, 1.0) / count;
    case Rules::Total::last: return is_last ? 1 / targets : 0;
    case Rules::Total::first: return is_first ? 1 / targets : 0;
  }
  return 1 / targets;
}

struct Gradients {
  std::vector<Values> sums;  // by parameter
  std::vector<double>
      sizes;  // of the largest numbers that were added: what their sum is rounded by
};

Gradients gradients_of(const Step& step, const Rules& rules) {
  Gradients result;
  for (const auto& values : step.before) result.sums.emplace_back(values.size(), 0.0);
  result.sizes.assign(result.sums.size(), 0.0);
  for (std::size_t i = 0; i < step.micro_batches.size(); ++i) {
    const auto& gradients = step.micro_batches[i].gradients;
    const double weight = weight_of(step, i, rules.total);
    for (std::size_t p = 0; p < gradients.size(); ++p) {
      double size = 0;
      for (const double each : gradients[p]) size = std::fmax(size, std::fabs(each));
      result.sizes[p] += std::fabs(weight) * size;
      add(result.sums[p], gradients[p], weight);
    }
  }
  return result;
}

double norm_of(const std::vector<Values>& gradients) {
  double squares = 0;
  for (const auto& values : gradients) {
    for (const double each : values) squares += each * each;
  }
  return std::sqrt(squares);
}

double clipping_of(const Run& run, const Rules& rules, double norm, double targets) {
  using enum Rules::Clipping;
  if (run.max_norm == 0 || rules.clipping == none || rules.clipping == by_element) return 1;
  if (rules.clipping == always) return run.max_norm / norm;
  const double compared = rules.clipping == of_undivided ? norm * targets : norm;
  return compared > run.max_norm ? run.max_norm / compared : 1;
}

struct Corrections {
  double first = 1, second = 1;
};

Corrections corrections_of(const Run& run, const Rules& rules, int step) {
  using enum Rules::Corrections;
  const int t = rules.corrections == a_step_late ? step + 1 : step;
  const double by1 = 1 - std::pow(run.beta1, t), by2 = 1 - std::pow(run.beta2, t);
  switch (rules.corrections) {
    case none: return {1, 1};
    case beta1_in_both: return {by1, by1};
    case beta2_in_both: return {by2, by2};
    case exchanged: return {by2, by1};
    default: return {by1, by2};
  }
}

// The state of AdamW over a run, by these rules.
class Follower {
 public:
  Follower(const Run& run, const Rules& rules) : run_(run), rules_(rules) {
    for (const auto& values : run.steps.at(0).before) {
      first_.emplace_back(values.size(), 0.0);
      second_.push_back(first_.back());
      held_.push_back(first_.back());
    }
    sizes_.assign(first_.size(), 0.0);
  }

  // Takes in the gradients of the next step.
  void begin(const Step& step) {
    ++taken_;
    auto [gradients, sizes] = gradients_of(step, rules_);
    const double targets = targets_of(step);
    if (rules_.memory == Rules::Memory::never_cleared) {
      // What is held is not divided yet: each step divides all of it by its own targets.
      for (std::size_t p = 0; p < held_.size(); ++p) {
        add(held_[p], gradients[p], targets);
        for (std::size_t i = 0; i < held_[p].size(); ++i) gradients[p][i] = held_[p][i] / targets;
      }
    }
    const double clipping = clipping_of(run_, rules_, norm_of(gradients), targets);
    for (std::size_t p = 0; p < gradients.size(); ++p) {
      take_in(step, p, gradients[p], clipping);
      sizes_[p] = std::fmax(sizes_[p], clipping * sizes[p]);
    }
    corrections_ = corrections_of(run_, rules_, taken_);
  }

  struct Expected {
    double change = 0, bound = 0;
  };
  // Of one number; `rate` is what its change is proportional to.
  Expected expected(const Step& step, std::size_t p, std::size_t i, double rate) const {
    const double w = step.before[p][i], root = root_of(p, i);
    const double update = first_[p][i] / corrections_.first / root;
    const double decay = decay_of(p);
    double change = -rate * decay * w - rate * update;
    if (rules_.decay == Rules::Decay::without_rate) change = -decay * w - rate * update;
    if (rules_.decay == Rules::Decay::afterwards) change += rate * rate * decay * update;
    const double few = thresholds::step_roundings * run_.rounding;
    const double bound = few * (std::fabs(w) + rate * std::fabs(update)) +
                         few * rate * (1 + std::fabs(update)) * sizes_[p] / root;
    return {change, bound};
  }

 private:
  void take_in(const Step& step, std::size_t p, const Values& gradient, double clipping) {
    using enum Rules::Betas;
    const auto betas = rules_.betas;
    const double beta1 = betas == exchanged || betas == second_in_both ? run_.beta2 : run_.beta1;
    const double beta2 = betas == exchanged || betas == first_in_both ? run_.beta1 : run_.beta2;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      double g = clipping * gradient[i];
      if (rules_.clipping == Rules::Clipping::by_element)
        g = std::clamp(g, -run_.max_norm, run_.max_norm);
      if (rules_.decay == Rules::Decay::in_gradient && run_.parameters[p].dimensions > 1)
        g += run_.decay * step.before[p][i];
      first_[p][i] = beta1 * first_[p][i] + (1 - beta1) * g;
      second_[p][i] = beta2 * second_[p][i] + (1 - beta2) * g * g;
    }
  }

  double root_of(std::size_t p, std::size_t i) const {
    const double v = second_[p][i], epsilon = run_.epsilon, correction = corrections_.second;
    switch (rules_.epsilon) {
      case Rules::Epsilon::under_root: return std::sqrt(v / correction + epsilon);
      case Rules::Epsilon::before_correction:
        return (std::sqrt(v) + epsilon) / std::sqrt(correction);
      case Rules::Epsilon::behind_root: break;
    }
    return std::sqrt(v / correction) + epsilon;
  }

  double decay_of(std::size_t p) const {
    const bool matrix = run_.parameters[p].dimensions > 1;
    switch (rules_.decay) {
      case Rules::Decay::none:
      case Rules::Decay::in_gradient: return 0;
      case Rules::Decay::of_all: return run_.decay;
      case Rules::Decay::of_vectors: return matrix ? 0 : run_.decay;
      default: return matrix ? run_.decay : 0;
    }
  }

  const Run& run_;
  const Rules rules_;
  std::vector<Values> first_, second_, held_;
  std::vector<double> sizes_;  // the largest gradient so far, by parameter: what is rounded
  Corrections corrections_ = {};
  int taken_ = 0;
};

// Differences of one step.
struct StepMisfit {
  double of_bound = 0, largest = 0;
  std::size_t parameter = 0;
  double expected = 0, found = 0;
  double products = 0, squares = 0;  // of expected by found, and of expected
};

StepMisfit misfit_of_step(const Run& run, const Step& step, const Follower& follower, double rate,
                          Misfit& all) {
  StepMisfit result;
  for (std::size_t p = 0; p < run.parameters.size(); ++p) {
    if (!run.parameters[p].trained) continue;
    bool off = false;
    for (std::size_t i = 0; i < step.before[p].size(); ++i) {
      const double found = step.after[p][i] - step.before[p][i];
      const auto [change, bound] = follower.expected(step, p, i, rate);
      const double difference = std::fabs(found - change);
      const double of_bound = difference == 0 ? 0 : difference / bound;
      off |= !(of_bound <= 1);
      if (!(of_bound <= result.of_bound)) result.of_bound = of_bound;
      result.products += change * found;
      result.squares += change * change;
      if (difference <= result.largest) continue;
      result.largest = difference;
      result.parameter = p;
      result.expected = change;
      result.found = found;
    }
    (run.parameters[p].dimensions > 1 ? all.matrices : all.vectors) |= off;
  }
  return result;
}

}  // namespace

Misfit misfit(const Run& run, const Rules& rules, const std::vector<double>& times) {
  Misfit all;
  Follower follower(run, rules);
  for (std::size_t s = 0; s < run.steps.size(); ++s) {
    const auto& step = run.steps[s];
    follower.begin(step);
    const double rate = step.rate * (times.empty() ? 1 : times[s]);
    const auto found = misfit_of_step(run, step, follower, rate, all);
    all.ratios.push_back(found.squares > 0 ? found.products / found.squares : 1);
    if (step.rate > 0) all.of_rate = std::fmax(all.of_rate, found.largest / step.rate);
    if (all.of_bound <= 1 && !(found.of_bound <= 1)) {
      all.step = s;
      all.parameter = found.parameter;
      all.expected = found.expected;
      all.found = found.found;
    }
    if (!(found.of_bound <= all.of_bound)) all.of_bound = found.of_bound;
  }
  return all;
}

const std::vector<Mistake>& known_mistakes() {
  static const std::vector<Mistake> all{
      {"clearing of gradients",
       "gradients of all steps so far, never cleared",
       {.memory = Rules::Memory::never_cleared}},
      {"weight decay", "no decay at all", {.decay = Rules::Decay::none}},
      {"weight decay", "decay of gains and biases as well", {.decay = Rules::Decay::of_all}},
      {"weight decay",
       "decay of gains and biases in place of matrices",
       {.decay = Rules::Decay::of_vectors}},
      {"weight decay",
       "decay added to the gradient, not decoupled",
       {.decay = Rules::Decay::in_gradient}},
      {"weight decay",
       "decay that is not multiplied by the learning rate",
       {.decay = Rules::Decay::without_rate}},
      {"weight decay",
       "decay of the weights that were moved already",
       {.decay = Rules::Decay::afterwards}},
      {"corrections of the moments", "no correction", {.corrections = Rules::Corrections::none}},
      {"corrections of the moments",
       "beta1 in the correction of the second moment",
       {.corrections = Rules::Corrections::beta1_in_both}},
      {"corrections of the moments",
       "beta2 in the correction of the first moment",
       {.corrections = Rules::Corrections::beta2_in_both}},
      {"corrections of the moments",
       "each moment with the correction of the other",
       {.corrections = Rules::Corrections::exchanged}},
      {"corrections of the moments",
       "corrections of the step after this one",
       {.corrections = Rules::Corrections::a_step_late}},
      {"moments",
       "beta1 and beta2 exchanged, in the moments alone",
       {.betas = Rules::Betas::exchanged}},
      {"moments",
       "beta1 and beta2 exchanged",
       {.corrections = Rules::Corrections::exchanged, .betas = Rules::Betas::exchanged}},
      {"moments",
       "beta1 in the place of beta2",
       {.corrections = Rules::Corrections::beta1_in_both, .betas = Rules::Betas::first_in_both}},
      {"moments",
       "beta2 in the place of beta1",
       {.corrections = Rules::Corrections::beta2_in_both, .betas = Rules::Betas::second_in_both}},
      {"epsilon", "epsilon under the root", {.epsilon = Rules::Epsilon::under_root}},
      {"epsilon",
       "epsilon added before the correction",
       {.epsilon = Rules::Epsilon::before_correction}},
      {"clipping", "no clipping", {.clipping = Rules::Clipping::none}},
      {"clipping",
       "gradients scaled to the norm, also smaller ones",
       {.clipping = Rules::Clipping::always}},
      {"clipping", "each number clipped by itself", {.clipping = Rules::Clipping::by_element}},
      {"clipping",
       "the norm of the summed loss, not of the mean one",
       {.clipping = Rules::Clipping::of_undivided}},
      {"accumulation",
       "the sum divided by the number of micro-batches once more",
       {.total = Rules::Total::divided_again}},
      {"accumulation",
       "the mean of the micro-batches' means",
       {.total = Rules::Total::mean_of_means}},
      {"accumulation", "the last micro-batch alone", {.total = Rules::Total::last}},
      {"accumulation", "the first micro-batch alone", {.total = Rules::Total::first}},
      {"scale of the gradients",
       "a mean over all tokens, not over targets",
       {.total = Rules::Total::over_tokens}},
      {"scale of the gradients", "a sum that nothing divides", {.total = Rules::Total::undivided}},
  };
  return all;
}

double auxiliary_weight(const MicroBatch& part, double all_tokens, double all_targets) {
  return part.tokens / all_tokens * all_targets;
}

double gradient_norm(const Step& step) { return norm_of(gradients_of(step, {}).sums); }

double mean_loss(const Step& step) {
  double sum = 0;
  for (const auto& each : step.micro_batches) sum += each.loss;
  return sum / targets_of(step);
}

double mean_auxiliary_loss(const Step& step) {
  double sum = 0;
  for (const auto& each : step.micro_batches) sum += each.auxiliary_loss * each.tokens;
  return sum / tokens_of(step);
}

double learning_rate(const Rates& rates, std::int64_t step) {
  const auto& [kind, peak, minimum_ratio, warmup, decay, steps] = rates;
  const auto done = static_cast<double>(step);
  if (step < warmup) return peak * ((done + 1) / static_cast<double>(warmup));
  auto first = static_cast<double>(warmup);  // step of the fall
  if (kind == Kind::stable) first = std::fmax(first, static_cast<double>(steps - decay));
  if (kind == Kind::constant || done < first) return peak;
  // Of the way from the peak to the end, how much is left.
  const double left = 1 - (done - first) / (static_cast<double>(steps) - first);
  const double lowest = peak * minimum_ratio;
  if (kind == Kind::linear) return lowest + (peak - lowest) * left;
  const double half_way = std::sin(std::acos(-1.0) / 2 * left);  // (1 - cos 2x) / 2 = sin^2 x
  return lowest + (peak - lowest) * half_way * half_way;
}

}  // namespace lookback::book
