#include "nn/linear.h"

namespace lookback {

Linear::Linear(ChildOf place, std::int64_t in_features, std::int64_t out_features, Bias with_bias,
               Precision precision)
    : Linear(std::move(place), empty({out_features, in_features}, precision.storage), with_bias,
             precision) {}

Linear::Linear(ChildOf place, const Tensor& memory, Bias with_bias, Precision precision)
    : Module(std::move(place)), precision_(precision) {
  weight = register_parameter("weight", memory, Initial::normal());
  if (with_bias == Bias::none) return;
  bias =
      register_parameter("bias", empty({memory.size(0)}, precision_.storage), Initial::constant(0));
}

Tensor Linear::forward(const Tensor& x) const {
  const auto scope = enter();
  return linear(x, weight, bias, precision_.products);
}

}  // namespace lookback
