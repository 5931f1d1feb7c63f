// By what a run knows its data again when it goes on, and whether they change under it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/data/data_watch.h"
#include "apps/data/token_source.h"
#include "apps/train/train_options.h"
#include "apps/train/trainer_state.h"

namespace lookback {

// By name: how many tokens there are to train and to validate on, and the first of those that step
// `step` (from 0) is fed.
std::vector<std::pair<std::string, std::string>> data_values(const TokenData& data,
                                                             const TrainOptions& options,
                                                             std::int64_t step);

class RunData {
 public:
  // Both outlive this object.
  RunData(const TokenData& data, const TrainOptions& options);

  // Of a new run: reads all files, and remembers what is in them.
  void begin() { watch_.begin(); }
  // Of one that goes on from this checkpoint. Throws Error where data or tokenizer are other ones.
  void resume(const TrainerState& before, const std::string& checkpoint);

  // Whether the files are still the same: see DataWatch::changes().
  std::vector<std::string> changes() { return watch_.changes(); }

  // Fills in what a checkpoint after state.step, which has ties, says of the data.
  void describe(TrainerState& state) const;

 private:
  const TokenData& data_;
  const TrainOptions& options_;
  DataWatch watch_;
};

}  // namespace lookback
