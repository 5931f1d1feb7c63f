// The exception that everything here throws. It stands apart from check.h, which throws it, because
// kernels compiled for a GPU cannot read fmt's headers.
#pragma once

#include <stdexcept>

namespace lookback {

// Every error a caller can cause or must hear about. what() is one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lookback
