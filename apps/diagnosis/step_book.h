// A step of training as the books have it, in plain loops over doubles: gradients summed over
// micro-batches, clipping by their norm (Pascanu et al. 2013), AdamW with both corrections
// (Loshchilov & Hutter 2019), the learning rate of a schedule. Includes nothing of what trains.
// Per number w of a parameter, in step t from 1, at the learning rate r:
//   g = (sum of its gradients over all micro-batches) / (targets of all micro-batches)
//   g = g min(1, max_norm / |g|)          |g|: the norm over all parameters; max_norm 0: as it is
//   m = beta1 m + (1 - beta1) g,          v = beta2 v + (1 - beta2) g^2
//   u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
//   w = w (1 - r decay) - r u             decay: on parameters of two or more dimensions alone
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lookback::book {

using Values = std::vector<double>;

// Summed over its targets; the auxiliary loss is a mean over rows, of models that have one.
struct MicroBatch {
  double targets = 0, tokens = 0, correct = 0;
  double loss = 0, auxiliary_loss = 0;
  // Of the loss and, by its weight in the sum over all targets, the auxiliary one: by parameter,
  // as a backward pass leaves them; empty where it leaves none.
  std::vector<Values> gradients = {};
};

// What an auxiliary loss weighs beside the summed loss of its micro-batch, so that it becomes a
// mean over the rows of all micro-batches: its share of the tokens times the targets of the step.
double auxiliary_weight(const MicroBatch& part, double all_tokens, double all_targets);

// One step of training, and all that decides it.
struct Step {
  double rate = 0;
  std::vector<MicroBatch> micro_batches = {};
  std::vector<Values> before = {}, after = {};  // the parameters that were trained
};

struct Parameter {
  std::string name;
  int dimensions = 0;
  bool trained = true;  // whether the optimizer was given it
};

// The first steps of a training run.
struct Run {
  double beta1 = 0, beta2 = 0, epsilon = 0, decay = 0, max_norm = 0;
  double rounding = 0;  // of the numbers that were trained: the distance from 1 to the next one
  std::vector<Parameter> parameters = {};
  std::vector<Step> steps = {};
};

// The book's rules, and others that are mistakes.
struct Rules {
  enum class Total {
    over_targets,
    over_tokens,
    undivided,
    divided_again,
    mean_of_means,
    last,
    first
  };
  enum class Memory { cleared, never_cleared };
  enum class Clipping { by_norm, none, always, by_element, of_undivided };
  enum class Corrections { both, none, beta1_in_both, beta2_in_both, exchanged, a_step_late };
  enum class Betas { as_given, exchanged, first_in_both, second_in_both };
  enum class Decay { of_matrices, none, of_all, of_vectors, in_gradient, without_rate, afterwards };
  enum class Epsilon { behind_root, under_root, before_correction };
  Total total = Total::over_targets;
  Memory memory = Memory::cleared;
  Clipping clipping = Clipping::by_norm;
  Corrections corrections = Corrections::both;
  Betas betas = Betas::as_given;
  Decay decay = Decay::of_matrices;
  Epsilon epsilon = Epsilon::behind_root;
};

// A mistake in words: the part of the step, and what it does.
struct Mistake {
  std::string_view part, what;
  Rules rules;
};
const std::vector<Mistake>& known_mistakes();

// How far a step is from what some rules say.
struct Misfit {
  double of_bound = 0;  // the largest difference, in units of what rounding can make of it
  double of_rate = 0;   // the largest difference over the learning rate, of all numbers
  // Where the difference is largest in the first step with one that is no rounding.
  std::size_t step = 0, parameter = 0;
  double expected = 0, found = 0;          // changes
  bool vectors = false, matrices = false;  // which parameters are off
  std::vector<double> ratios = {};         // by step: found to expected, least squares
};
// `times`: by step, what all changes are multiplied by; empty: 1.
Misfit misfit(const Run& run, const Rules& rules = {}, const std::vector<double>& times = {});

// The norm of a step's gradients, of the mean loss; that loss.
double gradient_norm(const Step& step);
double mean_loss(const Step& step);
double mean_auxiliary_loss(const Step& step);

enum class Kind { cosine, linear, constant, stable };
// How the rate goes over a run; `decay`: the last steps, in which a stable one falls.
struct Rates {
  Kind kind = Kind::constant;
  double peak = 0, minimum_ratio = 0;
  std::int64_t warmup = 0, decay = 0, steps = 1;
};
// The learning rate of step `step` (from 0), after `warmup` steps that lead up to the peak.
double learning_rate(const Rates& rates, std::int64_t step);

}  // namespace lookback::book
