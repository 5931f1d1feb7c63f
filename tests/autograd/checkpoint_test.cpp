#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "autograd/ops/add.h"
#include "autograd/ops/rms_norm.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor block(const Inputs& in) { return add(in[0], rms_norm(add(in[0], in[0]), in[1], 1e-5)); }

Tensor checkpointed_block(const Inputs& in) {
  return checkpoint([](const Inputs& inner) { return Inputs{block(inner)}; }, in)[0];
}

const OpCase checkpoint_case{"checkpoint",
                             {.shapes = {{{2, 3}, {3}}, {{0, 4}, {4}}, {{33, 31}, {31}}},
                              .call = checkpointed_block,
                              .reference = [](const Inputs& in) { return block(in).detach(); }}};

Tensor ramp(const Shape& shape) {
  return make_f64(shape, [](std::int64_t i) { return 0.3 * static_cast<double>(i) - 1; });
}

TEST(Checkpoint, GivesTheSameGradientsToTheBit) {
  std::vector<std::vector<double>> gradients;
  for (const bool recompute : {false, true}) {
    const Inputs in{ramp({4, 5}), ramp({5})};
    for (const auto& x : in) set_requires_grad(x);
    backward(recompute ? checkpointed_block(in) : block(in), ramp({4, 5}));
    for (const auto& x : in) gradients.push_back(to_doubles(gradient(x)));
  }
  EXPECT_EQ(gradients[0], gradients[2]);
  EXPECT_EQ(gradients[1], gradients[3]);
}

TEST(Checkpoint, ReachesParametersOfModules) {
  const auto weight = ramp({3});
  set_parameter(weight);
  const auto run = [&](const Inputs& in) { return Inputs{rms_norm(in[0], weight, 1e-5)}; };
  backward(checkpoint(run, {ramp({2, 3})})[0], ramp({2, 3}));
  EXPECT_TRUE(gradient(weight).defined());
}

TEST(Checkpoint, RefusesATensorWhoseGradientItWouldLose) {
  const auto outsider = ramp({3});
  set_requires_grad(outsider);
  const auto run = [&](const Inputs& in) { return Inputs{rms_norm(in[0], outsider, 1e-5)}; };
  EXPECT_THROW(checkpoint(run, {ramp({2, 3})}), Error);
}

}  // namespace
}  // namespace lookback::testing
