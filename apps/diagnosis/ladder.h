// From the plain model to a variant, one axis at a time: which step brings a fault?
#pragma once

#include <string>
#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

struct Rung {
  std::string axis;  // "recomputation: earlier layers run again"
  LlamaConfig config;
};

// The steps that lead to the subject's config: plain, recording, recomputation, weights, stream,
// own output, score scale; those that change nothing are left out, the last is the config itself.
// The fault stays in wherever the model of a step can have it.
std::vector<Rung> ladder_to(const LlamaConfig& config);

// A small model of the same axes, to climb quickly: 2 layers, 32 wide.
LlamaConfig shrunk(const LlamaConfig& config);

}  // namespace lookback
