// What weights know of their training data and not of others.
#pragma once

#include <functional>

#include "apps/diagnosis/subject.h"

namespace lookback {

// Of one kind of rows: nats per token, its standard error over the tokens that count, and the share
// of rows whose second part greedy decoding repeats from the first.
struct Remembered {
  double nats = 0, error = 0;
  double repeated = 0;
};

struct MemoryGap {
  Remembered training, validation;
  double nats() const { return validation.nats - training.nats; }
  double error() const;
  // Learned by heart: by the loss, or by what is repeated word for word.
  bool is_memory() const;
  // One sentence.
  std::string evidence() const;
};

// Over a few batches each.
MemoryGap memory_gap(const Subject& subject, const Llama& llama);

}  // namespace lookback
