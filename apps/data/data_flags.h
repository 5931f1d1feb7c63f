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
  AddBos add_bos = AddBos::automatic;

  void declare(Flags& flags);
  // What these say, and of a run's own data what the run says, where they say nothing.
  void set(DataOptions& options) const;
  void take_those_of_run(DataOptions& options, const DataFlags& of_run) const;
};

}  // namespace lookback
