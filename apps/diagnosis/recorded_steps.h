// The first steps of a training run, taken by the code that trains (apps/train/trainer.h), with the
// gradients of each taken once more on a model of its own: what the book (step_book.h) needs to say
// what ought to have become of the weights.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/diagnosis/step_book.h"
#include "apps/diagnosis/subject.h"
#include "apps/train/accumulate_gradients.h"

namespace lookback {

struct StepPlan {
  TrainOptions options;  // its steps are resolved
  DType dtype = DType::f64;
  std::int64_t steps = 3;
};

struct RecordedSteps {
  book::Run run;
  std::vector<StepMeasures> reported;  // what each step says of itself
  // The first micro-batch that is not the one of its step and place, in words; empty: there is none.
  std::string wrong_batch = {};
  bool finite = true;
};

// On a fresh model of the subject, with gains and biases that are not at their start, and
// micro-batches of unequal numbers of targets, one of them without any. The rates are the book's.
// A fault takes part in the forward passes and the rate; what it does to losses and gradients is
// left out: other checks look at that.
RecordedSteps record_steps(const Subject& subject, const StepPlan& plan);

// The schedule's rate of each step by the book.
double book_rate(const TrainOptions& options, std::int64_t step);

// The subject's options with the steps of its run, or of one of a thousand steps.
TrainOptions planned_options(const Subject& subject);

}  // namespace lookback
