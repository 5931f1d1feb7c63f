// Hooks of a pass: a layer left out, and another run's output put in its place, without a fault in
// the config.
#include "nn/layer/model_hooks.h"

#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

LlamaConfig three_layers() {
  auto config = small_config();
  config.num_hidden_layers = 3;
  return config;
}

// Layer 1 hands on what it was given.
class WithoutLayerOne final : public ModelHooks {
 public:
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& output) const override {
    if (layer != 1) {
      before_ = output;
      return output;
    }
    return before_;
  }

 private:
  mutable ResidualSum before_;
};

// Layer 1 gives what it gave in another run.
class Patched final : public ModelHooks {
 public:
  explicit Patched(Tensor other) : other_(std::move(other)) {}
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& output) const override {
    return layer == 1 ? ResidualSum{other_, {}} : output;
  }

 private:
  Tensor other_;
};

TEST(ModelHooks, NoneChangeNothing) {
  const auto llama = make_variant(three_layers());
  const auto ids = some_ids(2, 7, 13);
  const ModelHooks none;
  for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
    EXPECT_EQ(largest_difference(llama->logits(ids, {.attention = path, .hooks = &none}),
                                 llama->logits(ids, {.attention = path})),
              0);
  }
}

// A layer whose output projections are zero adds nothing: leaving it out is the same.
TEST(ModelHooks, LeaveALayerOut) {
  const auto llama = make_variant(three_layers());
  const auto ids = some_ids(2, 7, 13);
  const WithoutLayerOne hooks;
  const auto left_out = llama->logits(ids, {.hooks = &hooks});
  EXPECT_GT(largest_difference(left_out, llama->logits(ids)), 1e-3);
  for (const auto& [name, parameter] : by_name(*llama)) {
    if (name != "model.layers.1.self_attn.o_proj.weight" &&
        name != "model.layers.1.mlp.down_proj.weight") {
      continue;
    }
    for (auto& weight : parameter.elements<double>()) weight = 0;
  }
  EXPECT_LT(largest_difference(left_out, llama->logits(ids)), 1e-12);
}

// What comes after a patched layer is the other run; gradients of what came before are zero.
TEST(ModelHooks, PutAnotherRunsOutputInPlace) {
  const auto llama = make_variant(three_layers());
  const auto ids = some_ids(1, 7, 13), other_ids = some_ids(1, 7, 13, 5);
  Trace trace;
  const auto other = llama->logits(other_ids, {.trace = &trace});
  const Patched hooks(trace.hidden_states[2].detach());
  const auto patched = llama->logits(ids, {.hooks = &hooks});
  EXPECT_LT(largest_difference(patched, other), 1e-12);
  EXPECT_GT(largest_difference(llama->logits(ids), other), 1e-3);

  const auto loss = llama->loss(ids, next_token_targets(ids), {}, {.hooks = &hooks});
  backward(loss.loss_sum);
  const auto parameters = by_name(*llama);
  EXPECT_FALSE(gradient(parameters.at("model.layers.1.mlp.down_proj.weight")).defined());
  EXPECT_TRUE(gradient(parameters.at("model.layers.2.mlp.down_proj.weight")).defined());
}

}  // namespace
}  // namespace lookback::testing
