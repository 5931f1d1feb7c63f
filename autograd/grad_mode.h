// Whether operations of this thread are put on the tape. On by default.
#pragma once

namespace lookback {

bool grad_enabled();

// No operation is recorded during its lifetime.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous;
};

// Operations are recorded during its lifetime, also inside a NoGrad.
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool previous;
};

}  // namespace lookback
