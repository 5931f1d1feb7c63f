// Whether operations of this thread are put on the tape. On by default.
#pragma once

#include "runtime/scoped_value.h"

namespace lookback {

bool grad_enabled();

// No operation is recorded during its lifetime.
class NoGrad {
 public:
  NoGrad();

 private:
  ScopedValue<bool> enabled_;
};

// Operations are recorded during its lifetime, also inside a NoGrad.
class EnableGrad {
 public:
  EnableGrad();

 private:
  ScopedValue<bool> enabled_;
};

}  // namespace lookback
