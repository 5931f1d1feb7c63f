#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/linear.h"
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

Tensor waves(const Shape& shape, double frequency) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::sin(frequency * static_cast<double>(i + 1)));
  return from_values(values, shape);
}

enum class Way { plain, checkpointed, nested };

// A chain of four segments in f32 that share parameters, with sums of many terms: a gradient that
// is added up in another order, or in parts, has other bits.
class Chain {
 public:
  std::vector<Tensor> parameters;
  std::vector<std::vector<std::vector<double>>> seen_by_hooks;  // per parameter and backward pass

  Chain() : seen_by_hooks(7) {
    parameters = {shared_, outer_too_, norm_};
    parameters.insert(parameters.end(), own_.begin(), own_.end());
    for (const auto& parameter : parameters) set_parameter(parameter);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      add_hook(parameters[p], [this, p](const Tensor& g) {
        seen_by_hooks[p].push_back(to_doubles(g));
        return g * g;  // a hook on parts of the gradient would change their sum
      });
    }
  }

  // What reaches x and the parameters from one step, x and what every segment reads being fresh.
  std::vector<std::vector<double>> step(Way way, double frequency) {
    const auto x = waves({3, 5, width}, frequency);
    set_requires_grad(x);
    auto h = linear(x, outer_too_);
    const auto record = h;  // read by every segment, twice, and by the end
    for (std::size_t l = 0; l < own_.size(); ++l) h = run(way, l, {h, record})[0];
    backward(add(linear(h, outer_too_), record), waves({3, 5, width}, frequency + 0.1));
    std::vector<std::vector<double>> bits{to_doubles(gradient(x))};
    for (const auto& parameter : parameters) bits.push_back(to_doubles(gradient(parameter)));
    return bits;
  }

 private:
  static constexpr std::int64_t width = 8;

  Inputs segment(std::size_t l, const Inputs& in) const {
    const auto normed = rms_norm(in[0] + in[1], norm_, 1e-5);
    const auto once = linear(normed, shared_);
    const auto twice = linear(once * in[1], shared_);
    return {in[0] + linear(twice, own_[l]) * rms_norm(once, norm_, 1e-5), twice};
  }

  Inputs run(Way way, std::size_t l, const Inputs& in) const {
    const auto whole = [this, l](const Inputs& inner) { return segment(l, inner); };
    if (way == Way::plain) return whole(in);
    if (way == Way::checkpointed) return checkpoint(whole, in);
    return checkpoint([whole](const Inputs& inner) { return checkpoint(whole, inner); }, in);
  }

  Tensor shared_ = waves({width, width}, 0.7);
  Tensor outer_too_ = waves({width, width}, 0.9);
  Tensor norm_ = waves({width}, 1.1);
  std::vector<Tensor> own_{waves({width, width}, 1.3), waves({width, width}, 1.5),
                           waves({width, width}, 1.7), waves({width, width}, 1.9)};
};

class CheckpointChain : public ::testing::TestWithParam<Way> {};

TEST_P(CheckpointChain, HasTheBitsOfThePlainOneAlsoWhereGradientsAccumulate) {
  Chain plain, ours;
  for (const double frequency : {0.31, 0.37, 0.41}) {
    const auto expected = plain.step(Way::plain, frequency);
    const auto got = ours.step(GetParam(), frequency);
    ASSERT_EQ(expected.size(), 8U);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(got[i], expected[i]) << i;
  }
  for (std::size_t p = 0; p < plain.parameters.size(); ++p) {
    EXPECT_EQ(plain.seen_by_hooks[p].size(), 3U) << p;
    EXPECT_EQ(ours.seen_by_hooks[p], plain.seen_by_hooks[p]) << p;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, CheckpointChain, ::testing::Values(Way::checkpointed, Way::nested));

TEST(Checkpoint, RecordsNothingWhereNothingNeedsAGradient) {
  const auto weight = ramp({3});
  const auto run = [&](const Inputs& in) { return Inputs{rms_norm(in[0], weight, 1e-5)}; };
  EXPECT_FALSE(requires_grad(checkpoint(run, {ramp({2, 3})})[0]));
}

TEST(Checkpoint, AFunctionThatReadsAnotherParameterTheSecondTimeIsAnError) {
  const auto first = ramp({3}), second = ramp({3});
  for (const auto& weight : {first, second}) set_parameter(weight);
  int runs = 0;
  const auto y = checkpoint(
      [&](const Inputs& in) { return Inputs{rms_norm(in[0], ++runs == 1 ? first : second, 1e-5)}; },
      {ramp({2, 3})})[0];
  try {
    backward(y, ramp({2, 3}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(
        std::string(error.what())
            .find("[backward] rms_norm at the top level reads inside a checkpoint a tensor (3,) "),
        std::string::npos)
        << error.what();
  }
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
  const auto inner = [&](const Inputs& in) {
    return checkpoint_case.options.call({in[0], outsider});
  };
  EXPECT_THROW(checkpoint([&](const Inputs& in) { return Inputs{inner(in)}; }, {ramp({2, 3})}),
               Error);
}

}  // namespace
}  // namespace lookback::testing
