// Parts of a model that are right each by itself and mean nothing together.
#pragma once

#include "runtime/error.h"

namespace lookback {

// Not a damaged file, but a wish that cannot be met: a program calls it wrong usage.
class CombinationError : public Error {
 public:
  using Error::Error;
};

}  // namespace lookback
