// Flags that say how files of data are read.
#pragma once

#include <optional>
#include <string>

#include "apps/cli/flags.h"
#include "apps/data/open.h"
#include "apps/data/token_type.h"

namespace lookback {

struct DataFlags {
  std::optional<TokenType> bin_dtype = {};
  std::string text_field = DataOptions().text_field;

  void declare(Flags& flags);
  // What a run says of its own data, where these flags say nothing.
  void take_those_of_run(DataOptions& options, const DataFlags& of_run) const;
};

}  // namespace lookback
