#include "nn/rms_norm.h"

#include "autograd/ops/add_rms_norm.h"
#include "autograd/ops/rms_norm.h"

namespace lookback {

RmsNorm::RmsNorm(ChildOf place, std::int64_t dimension, double epsilon, Precision precision,
                 Products readers)
    : Module(std::move(place)), epsilon_(epsilon), readers_(readers) {
  weight =
      register_parameter("weight", empty({dimension}, precision.storage), Initial::constant(1));
}

RmsNorm::Normalized RmsNorm::forward(const ResidualSum& x) const {
  if (!x.update.defined()) return {x.stream, forward(x.stream)};
  if (!x.stream.defined()) return {x.update, forward(x.update)};
  const auto scope = enter();
  const auto [sum, normed] = add_rms_norm(x.stream, x.update, weight, epsilon_, readers_);
  return {sum, normed};
}

Tensor RmsNorm::forward(const Tensor& x) const {
  const auto scope = enter();
  return rms_norm(x, weight, epsilon_, readers_);
}

}  // namespace lookback
