// One optimizer step as `train` takes it, in f64, and what it does to each parameter.
#pragma once

#include <string>
#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

struct ParameterProbe {
  std::string name;
  double gradient = 0;     // its largest element, of the mean loss; 0 where there is none
  bool optimized = false;  // whether the optimizer was given it
  bool changed = false;    // whether the step changed any bit of it
};

struct StepProbe {
  std::vector<ParameterProbe> parameters;
  double learning_rate = 0;
  double matrices = 0, moved = 0;  // norms of all weights of two dimensions, and of their change
  double loss = 0;
  std::int64_t targets = 0;
};

// A step on the subject's weights and first batch, at the largest learning rate of its schedule.
StepProbe probe_step(const Subject& subject);

}  // namespace lookback
