// Paths in the options of train, as they are found from any folder.
#pragma once

#include "apps/train/train_options.h"

namespace lookback {

// Also in options.toml, which is read where the command was not given. What is built in, and no
// path, stays as it is.
void make_paths_absolute(TrainOptions& options);

}  // namespace lookback
