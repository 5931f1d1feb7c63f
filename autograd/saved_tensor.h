// A tensor kept for backward: a detached alias (so a node never owns its own output's history) that
// remembers how often its storage had been written, so that a later in-place write is an error and
// not a wrong gradient.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(const Tensor& x)  // NOLINT(google-explicit-constructor)
      : alias_(x.defined() ? x.detach() : Tensor{}), version_(x.defined() ? x.version() : 0) {}

  // Throws when the storage was written in place since.
  Tensor get() const;
  bool defined() const { return alias_.defined(); }

 private:
  Tensor alias_;
  std::uint64_t version_ = 0;
};

}  // namespace lookback
