// What the names of files say that they are for.
#pragma once

#include <string>
#include <vector>

#include "apps/data/data_files.h"

namespace lookback {

// `files`, which `spec` named, in name order. Where each name says train, val (valid, validation,
// dev, eval) or test, and they do not all say the same, files of training and of validation are
// kept apart, and those of tests are left out. A word counts that stands by itself, between what is
// no letter ("fineweb_val_000001.bin"); of files in several folders, a name without one goes by its
// folder's. A note says so, or
// that such names were not followed, as other files have none of these words: then all are for
// training. Beside files of tokens, what other programs put there is left out: Megatron's .idx,
// nanoGPT's meta.pkl, and where tokens are kept apart, everything else.
DataFiles split_by_name(const std::string& spec, std::vector<std::string> files);

}  // namespace lookback
