// The flags of one call of train, read apart from those of this process.
#pragma once

#include <span>
#include <string>

#include "apps/cli/session.h"
#include "apps/train/train_options.h"

namespace lookback {

struct TrainFlags {
  TrainOptions options;
  SessionFlags session;
  Flags flags;

  TrainFlags() {
    options.declare(flags);
    session.declare(flags);
  }
  explicit TrainFlags(std::span<const std::string> arguments) : TrainFlags() {
    flags.parse(arguments);
  }
};

}  // namespace lookback
