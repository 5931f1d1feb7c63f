#include "nn/layer_norm.h"

#include "autograd/ops/binary.h"
#include "autograd/ops/mean.h"
#include "autograd/ops/rms_norm.h"

namespace lookback {

LayerNorm::LayerNorm(ChildOf place, std::int64_t dimension, double epsilon, Precision precision)
    : Module(std::move(place)), epsilon_(epsilon) {
  weight =
      register_parameter("weight", empty({dimension}, precision.storage), Initial::constant(1));
  bias = register_parameter("bias", empty({dimension}, precision.storage), Initial::constant(0));
}

// The mean square of what is centered is its variance.
Tensor LayerNorm::forward(const Tensor& x) const {
  const auto scope = enter();
  return rms_norm(x - mean(x, {-1}, KeepDims::yes), weight, epsilon_) + bias;
}

}  // namespace lookback
