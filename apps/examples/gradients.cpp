// A small network written with the public headers: its gradients printed, watched on their way by
// hooks, and checked against central differences.
//
// Built against an installed Lookback by two lines of CMake (tests/package does it):
//   find_package(lookback REQUIRED)
//   target_link_libraries(gradients PRIVATE lookback::lookback)
#include <cmath>
#include <cstdint>
#include <vector>

#include <fmt/core.h>

#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "autograd/ops.h"
#include "nn/initialize.h"
#include "nn/module.h"
#include "runtime/tensor.h"

namespace {

using lookback::Tensor;

double norm(const Tensor& x) {
  double squares = 0;
  for (const double value : x.elements<double>()) squares += value * value;
  return std::sqrt(squares);
}

// logits = down(silu(gate(n)) * up(n)), n = rms_norm(x): a Llama's MLP in front of two classes.
class Network : public lookback::Module {
 public:
  Network() : Module(lookback::RootModule{}) {}

  static constexpr std::int64_t features = 4, hidden = 6, classes = 2;

  Tensor forward(const Tensor& x) const {
    const auto scope = enter();
    const auto normalized = lookback::rms_norm(x, norm_weight_, 1e-5);
    const auto activation = lookback::silu_mul(lookback::linear(normalized, gate_weight_),
                                               lookback::linear(normalized, up_weight_));
    if (requires_grad(activation)) add_hook(activation, watch);
    return lookback::linear(activation, down_weight_);
  }

  // What a hook sees: the complete gradient of its tensor, before anything uses it. It may return
  // another in its place; those here only look.
  lookback::GradientHook watch = [](const Tensor& gradient) { return gradient; };

 private:
  using Initial = lookback::Initial;
  // In f64, as gradcheck needs it.
  Tensor weight(const char* name, const lookback::Shape& shape, Initial initial) {
    return register_parameter(name, lookback::zeros(shape, lookback::DType::f64), initial);
  }

  Tensor norm_weight_ = weight("norm.weight", {features}, Initial::constant(1));
  Tensor gate_weight_ = weight("gate.weight", {hidden, features}, Initial::normal());
  Tensor up_weight_ = weight("up.weight", {hidden, features}, Initial::normal());
  Tensor down_weight_ = weight("down.weight", {classes, hidden}, Initial::normal());
};

}  // namespace

int main() {
  Network network;
  lookback::initialize(network.parameters(), 1.0, 0);  // normal(0, 1), seed 0
  const auto x = lookback::from_values(
      std::vector<double>{0.5, -1.0, 2.0, 0.1, 1.5, 0.3, -0.7, 0.9, -0.2, 0.8, 0.4, -1.1},
      {3, Network::features});
  const auto targets = lookback::from_values(std::vector<std::int64_t>{1, 0, 0}, {3});
  const auto loss_of = [&] {
    return lookback::mean_loss(lookback::cross_entropy(network.forward(x), targets));
  };

  network.watch = [](const Tensor& gradient) {
    fmt::print("hook: the gradient of the activation {} has norm {:.6f}\n",
               to_string(gradient.shape()), norm(gradient));
    return gradient;
  };
  const auto loss = loss_of();
  fmt::print("loss {:.6f} nats\n", loss.item());
  lookback::backward(loss);
  network.watch = [](const Tensor& gradient) { return gradient; };

  std::vector<Tensor> parameters;
  for (const auto& parameter : network.parameters()) {
    const auto gradient = lookback::gradient(parameter.tensor);
    fmt::print("{:12} {:8} |gradient| {:.6f}  first {:+.6f}\n", parameter.name,
               to_string(gradient.shape()), norm(gradient), gradient.elements<double>()[0]);
    parameters.push_back(parameter.tensor);
  }

  // gradcheck nudges each number of the parameters in place and looks at the loss.
  const auto result =
      lookback::gradcheck([&](const std::vector<Tensor>&) { return loss_of(); }, parameters);
  fmt::print("gradcheck {}: the worst error is {:.1e} of what is allowed\n",
             result.passed ? "passed" : "failed", result.worst_ratio);
  if (!result.passed) fmt::print("{}\n", result.message);
  return result.passed ? 0 : 1;
}
