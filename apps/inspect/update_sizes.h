// How far one optimizer step moves each parameter, beside how large it is.
#pragma once

#include <map>
#include <string>

#include "nn/adamw.h"

namespace lookback {

// What an optimizer knows, and the step it is to take.
struct OptimizerView {
  struct Moments {
    Tensor first, second;
  };
  std::map<std::string, Moments> moments = {};  // by parameter; none: those of a first step
  std::int64_t steps_taken = 0;
  AdamWOptions options = {};
  double learning_rate = 0;
  std::string origin = {};  // whose moments these are, for the reader
};

// The norm of the change that a step of AdamW makes to a parameter, weight decay included: with the
// moments as they are, or, for a first step, those of the gradient it holds (none: 0). Nothing is
// written.
double update_norm(const NamedParameter& parameter, const OptimizerView& optimizer);

}  // namespace lookback
