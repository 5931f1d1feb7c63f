// What a right implementation of the variants shows: equalities between them that hold whatever the
// weights are.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "kernels/fill.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

constexpr double rounding = 1e-12;

LlamaConfig config_of(std::int64_t layers) {
  auto config = small_config();
  config.num_hidden_layers = layers;
  return config;
}

// The model of a preset, fresh: what is learned beside the plain Llama's weights stands at its
// initial values, and those weights are the same in every preset.
std::unique_ptr<Llama> fresh(const std::string& preset, std::int64_t layers = 4) {
  return make_llama(preset_variant(config_of(layers), preset).config);
}

Tensor logits_of(const Llama& llama) {
  const NoGrad no_grad;
  return llama.logits(some_ids(2, 9, llama.config.vocab_size));
}

void set_zero(const Llama& llama, const std::string& part) {
  for (const auto& [name, parameter] : by_name(llama)) {
    if (name.find(part) != std::string::npos)
      kernels::fill(Backend::cpu, {.y = parameter, .value = 0});
  }
}

class VariantEqualities : public ::testing::Test {
  OneThread one_thread_;
};

// A sequence's logits, bit for bit: alone, and as the second of three, whatever the others say.
TEST_F(VariantEqualities, ASequenceIsTheSameBesideOthers) {
  const NoGrad no_grad;
  constexpr std::int64_t length = 7;
  for (const auto dtype : {DType::f64, DType::f32}) {
    for (const auto& [preset, config] : healthy_presets(config_of(3))) {
      const auto llama = make_variant(config, dtype);
      const auto three = some_ids(3, length, config.vocab_size);
      const auto second = three.alias({1, length}, {length, 1}, length);
      const auto beside = to_doubles(llama->logits(three));
      const auto alone = to_doubles(llama->logits(second));
      const auto begin = beside.begin() + static_cast<std::ptrdiff_t>(alone.size());
      EXPECT_EQ(alone,
                std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(alone.size())))
          << preset << " " << name_of(dtype);
    }
  }
}

TEST_F(VariantEqualities, OneLayerIsALlama) {
  const auto llama = logits_of(*fresh("llama", 1));
  const auto two_layers = logits_of(*fresh("llama", 2));
  EXPECT_GT(largest_difference(llama, two_layers), 1e-3);
  for (const auto& [preset, config] : presets_with_plain_attention(config_of(1))) {
    EXPECT_LT(largest_difference(logits_of(*fresh(preset, 1)), llama), rounding) << preset;
    if (preset != "llama") {
      EXPECT_GT(largest_difference(logits_of(*fresh(preset, 2)), two_layers), 1e-6) << preset;
    }
  }
}

TEST_F(VariantEqualities, WithoutOutputProjectionsOnlyTheTokenItselfCounts) {
  const std::vector<std::int64_t> ids{3, 5, 3, 1, 3};
  const auto position = [&](const Llama& llama, std::int64_t t) {
    const NoGrad no_grad;
    const auto all = to_doubles(llama.logits(from_values(ids, {1, 5})));
    return std::vector<double>(all.begin() + t * 13, all.begin() + (t + 1) * 13);
  };
  for (const auto& [preset, config] : healthy_presets(config_of(3))) {
    const auto llama = make_variant(config);
    // The tokens that a dilated window shows beside the token itself lie further back.
    if (preset != "dilated") {
      EXPECT_NE(position(*llama, 0), position(*llama, 2)) << preset;
    }
    set_zero(*llama, "o_proj");
    set_zero(*llama, "output_linear");
    set_zero(*llama, "down_proj");
    EXPECT_EQ(position(*llama, 0), position(*llama, 2)) << preset;
    EXPECT_EQ(position(*llama, 0), position(*llama, 4)) << preset;
    const bool cut_off = preset.ends_with("-replace");  // nothing is left of the token either
    EXPECT_EQ(position(*llama, 0) == position(*llama, 1), cut_off) << preset;
  }
}

// The products of recorded attention weights with new values, by the scope they ran in.
std::map<std::string, int> replays(const Tensor& result) {
  std::map<std::string, int> found;
  std::set<const Node*> seen;
  std::vector<std::shared_ptr<Node>> pending{edge_to(result).node};
  while (!pending.empty()) {
    const auto node = pending.back();
    pending.pop_back();
    if (node == nullptr || !seen.insert(node.get()).second) continue;
    const bool attends = node->name() == "attention_replay" ||
                         node->name() == "apply_attention_weights" || node->name() == "attention";
    if (attends && node->scope->find("recompute") != std::string::npos) ++found[*node->scope];
    for (const auto& edge : node->edges) pending.push_back(edge.node);
  }
  return found;
}

TEST_F(VariantEqualities, EveryPairOfLayersIsRecomputedOnce) {
  for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
    for (const auto& [preset, small] : healthy_presets(config_of(1))) {
      const bool recomputes = reruns_layers(small);
      for (std::int64_t layers = 1; layers <= 6; ++layers) {
        const auto llama = fresh(preset, layers);
        const auto ids = some_ids(1, 4, 13);
        std::map<std::string, int> pairs;  // (l, i), each once: L (L - 1) / 2 of them
        for (std::int64_t l = 0; recomputes && l < layers; ++l) {
          for (std::int64_t i = 0; i < l; ++i)
            pairs[fmt::format("model.layers.{}.recompute.{}.self_attn", l, i)] = 1;
        }
        EXPECT_EQ(replays(llama->logits(ids, {.attention = path})), pairs) << preset;
      }
    }
  }
}

TEST_F(VariantEqualities, EqualLearnedWeightsAreTheMean) {
  for (const auto& [learned, mean] :
       {std::pair{"method3.2", "method3.1"}, {"method4.2", "method4.1"}, {"stored3", "stored1"}}) {
    const auto ours = fresh(learned);
    EXPECT_LT(largest_difference(logits_of(*ours), logits_of(*fresh(mean))), rounding) << learned;
    for (const auto& [name, parameter] : by_name(*ours)) {
      if (parameter.rank() == 1 && parameter.size(0) == 4) parameter.data<double>()[0] = 2;
    }
    EXPECT_GT(largest_difference(logits_of(*ours), logits_of(*fresh(mean))), 1e-6) << learned;
  }
}

TEST_F(VariantEqualities, LearnedScalesBeginAsFixedOnes) {
  for (const auto& [learned, fixed] : {std::pair{"method5.4", "method5.3"},
                                       {"method5.5", "method5.1"},
                                       {"method5.5-share", "method5.1"},
                                       {"method5.6", "method5.1"},
                                       {"method5.7", "method5.1"},
                                       {"method5.8", "method5.1"}}) {
    const auto ours = fresh(learned);
    EXPECT_LT(largest_difference(logits_of(*ours), logits_of(*fresh(fixed))), rounding) << learned;
    for (const auto& [name, parameter] : by_name(*ours)) {
      const bool scale = name.find("layers.3.self_attn.modified_scaling") != std::string::npos;
      if (scale) *static_cast<double*>(parameter.raw_data()) += 0.5;
    }
    EXPECT_GT(largest_difference(logits_of(*ours), logits_of(*fresh(fixed))), 1e-6) << learned;
  }
  for (const auto* other : {"method5.2", "method5.3"}) {
    EXPECT_GT(largest_difference(logits_of(*fresh(other)), logits_of(*fresh("method5.1"))), 1e-6);
  }
}

// With down_proj of the last layer zero, the last hidden state is the stream after its attention.
TEST_F(VariantEqualities, AtLayerOneOptionAIsMethodTwoWithoutItsOwnAttention) {
  const auto ids = some_ids(2, 9, 13);
  const auto stream = [&](const std::string& preset) {
    const auto llama = fresh(preset, 2);
    set_zero(*llama, "layers.1.mlp.down_proj");
    Trace trace;
    const NoGrad no_grad;
    llama->logits(ids, {.trace = &trace});
    return std::pair{to_doubles(trace.hidden_states.at(1)), to_doubles(trace.hidden_states.at(2))};
  };
  const auto [layer_input, plain] = stream("llama");
  const auto [input_of_method2, method2] = stream("method2");
  const auto [input_of_simple, simple] = stream("method1-simple");
  EXPECT_EQ(layer_input, input_of_method2);  // layer 0 is a plain one in all of them
  EXPECT_EQ(layer_input, input_of_simple);
  double largest = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double own = plain[i] - layer_input[i];
    EXPECT_NEAR(method2[i] - simple[i], own, rounding);
    largest = std::max(largest, std::abs(own));
  }
  EXPECT_GT(largest, 1e-2);
}

}  // namespace
}  // namespace lookback::testing
