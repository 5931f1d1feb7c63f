#include "autograd/saved_tensor.h"

#include "autograd/engine.h"

namespace lookback {

Tensor SavedTensor::get() const {
  if (alias_.defined() && alias_.version() != version_) {
    fail("backward",
         "{} saved a tensor {} that was changed in place since (write {}, saved at {}): change it "
         "after backward, or a copy of it",
         running_node(), alias_.shape(), alias_.version(), version_);
  }
  return alias_;
}

}  // namespace lookback
