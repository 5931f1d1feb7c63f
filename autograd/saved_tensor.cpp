#include "autograd/saved_tensor.h"

#include "autograd/engine.h"

namespace lookback {

Tensor SavedTensor::get() const {
  if (alias.defined() && alias.version() != version) {
    fail("backward",
         "{} saved a tensor {} that was changed in place since (write {}, saved at {}): change it "
         "after backward, or a copy of it",
         running_node(), alias.shape(), alias.version(), version);
  }
  return alias;
}

}  // namespace lookback
