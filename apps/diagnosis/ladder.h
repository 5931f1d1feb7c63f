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

// How small: of the ladder, and, where a leak is to be learned, a little larger.
struct SmallSize {
  std::int64_t layers = 2, width = 32;
};
inline constexpr SmallSize size_to_train{.layers = 3, .width = 64};

// A subject for a probe that trains on so many tokens: this one, with fresh weights, where that
// takes two minutes at most on two cores and it is not smaller than size_to_train; else the shrunk
// one of that size.
Subject to_train(const Subject& subject, std::int64_t tokens);
// "3 layers, 64 wide"
std::string size_of(const LlamaConfig& config);

// A small model of the same axes, in heads of 8 or 16.
LlamaConfig shrunk(const LlamaConfig& config, SmallSize size = {});
// The subject with a fresh small model, on the same data.
Subject shrunk(const Subject& subject, SmallSize size = {});

}  // namespace lookback
