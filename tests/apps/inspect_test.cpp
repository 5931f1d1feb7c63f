// What `inspect` measures, against closed forms and against autograd asked directly.
#include "apps/inspect/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "apps/diagnosis/faults/fault.h"
#include "apps/inspect/numbers.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "nn/layer/preset.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

using ::testing::IsEmpty;

const std::vector<std::int64_t> tokens{3, 1, 4, 1, 5, 9, 2, 6, 5};

LlamaConfig three_layers() {
  auto config = small_config();
  config.num_hidden_layers = 3;
  return config;
}

Inspection look(const Llama& llama, const ForwardOptions& options = {},
                const OptimizerView& optimizer = {.learning_rate = 1e-3}) {
  return inspect(llama, tokens, options, optimizer);
}

Tensor prompt_ids() { return from_values(tokens, {1, static_cast<std::int64_t>(tokens.size())}); }

double at(const Tensor& maps, std::int64_t head, std::int64_t t, std::int64_t s) {
  const auto side = maps.size(1);
  return to_vector(maps)[static_cast<std::size_t>((head * side + t) * side + s)];
}

// Every healthy variant and both ways to attend.
void for_each_variant(const std::function<void(const Llama&, const ForwardOptions&)>& check) {
  const OneThread one_thread;
  auto variants = healthy_presets(three_layers());
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const auto llama = make_variant(shaped(variants[i].config, i));
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      SCOPED_TRACE(variants[i].name);
      check(*llama, {.attention = path});
    }
  }
}

TEST(Inspect, AttentionRowsSumToOneAndTheFutureIsExactlyZero) {
  for_each_variant([](const Llama& llama, const ForwardOptions& options) {
    const auto seen = look(llama, options);
    ASSERT_EQ(seen.attention.size(), 3U);
    std::vector<Tensor> maps = seen.attention;
    for (const auto& replay : seen.replays) maps.push_back(replay.weights);
    // What dcmha and linear attention apply is not a softmax.
    const auto type = attention_of(llama.config, 0)->type();
    const bool sums_to_one = type != "dcmha" && type != "linear";
    for (const auto& map : maps) {
      EXPECT_EQ(largest_hidden_weight(map), 0);
      if (!sums_to_one) continue;
      const auto numbers = to_vector(map);
      const auto side = tokens.size();
      for (std::size_t row = 0; row < numbers.size(); row += side) {
        const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(row);
        EXPECT_NEAR(std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(side), 0.0), 1,
                    1e-12);
      }
    }
  });
}

// A healthy replay applies what the layer recorded.
TEST(Inspect, ReplaysAreTheWeightsOfTheFirstRun) {
  int pairs = 0;
  for_each_variant([&](const Llama& llama, const ForwardOptions& options) {
    const auto seen = look(llama, options);
    for (const auto& replay : seen.replays) {
      const auto& first = seen.attention[static_cast<std::size_t>(replay.source)];
      EXPECT_LT(testing::largest_difference(replay.weights, first), 1e-12);
      EXPECT_LT(replay.source, replay.layer);
      ++pairs;
    }
  });
  EXPECT_GT(pairs, 3 * 2 * 7) << "methods 1 to 4 run every earlier layer again";
}

TEST(Inspect, ATracedPassIsThePass) {
  for_each_variant([](const Llama& llama, const ForwardOptions& options) {
    const NoGrad no_grad;
    Trace trace;
    auto traced = options;
    traced.trace = &trace;
    const auto plain = to_vector(llama.logits(prompt_ids(), options));
    EXPECT_EQ(to_vector(llama.logits(prompt_ids(), traced)), plain);
  });
}

TEST(Inspect, GradientNormsAreThoseOfAutograd) {
  for_each_variant([](const Llama& llama, const ForwardOptions& options) {
    const auto seen = look(llama, options);
    for (const auto& parameter : llama.parameters()) {
      EXPECT_FALSE(gradient(parameter.tensor).defined()) << "left behind at " << parameter.name;
    }
    const auto ids = prompt_ids();
    const auto parts = llama.loss(ids, next_token_targets(ids), {}, options);
    const auto loss = mean_loss(parts);
    EXPECT_NEAR(seen.loss, loss.item(), 1e-13);
    const auto mean = std::accumulate(seen.nats.begin(), seen.nats.end(), 0.0) /
                      static_cast<double>(seen.nats.size());
    EXPECT_NEAR(seen.loss, mean, 1e-12);
    backward(with_auxiliary(loss, parts));
    std::size_t i = 0;
    for (const auto& parameter : llama.parameters()) {
      const auto& measured = seen.parameters[i++];
      ASSERT_EQ(measured.name, parameter.name);
      const auto own = gradient(parameter.tensor);
      ASSERT_EQ(own.defined(), !std::isnan(measured.gradient_norm)) << parameter.name;
      if (own.defined()) {
        EXPECT_NEAR(measured.gradient_norm, norm_of(own), 1e-9 * norm_of(own)) << parameter.name;
      }
    }
    clear_gradients(llama.parameters());
  });
}

// In the plain Llama a layer's MLP is added to the stream last, so that the gradient of what it
// puts out is the gradient of the stream behind it. And the embedding's output is the stream before
// layer 0: where no token stands twice, its gradient is that of the embedding's weight.
TEST(Inspect, TheStreamsGradientIsWhole) {
  auto config = three_layers();
  config.tie_word_embeddings = false;
  const auto llama = make_variant(config);
  const std::vector<std::int64_t> once{3, 4, 9, 2, 6};
  const auto seen = inspect(*llama, once, {}, {.learning_rate = 1e-3}).gradients;
  ASSERT_EQ(seen.hidden_states.size(), 4U);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    EXPECT_GT(seen.mlp_outputs[layer], 0);
    EXPECT_NEAR(seen.hidden_states[layer + 1], seen.mlp_outputs[layer], 1e-12);
    EXPECT_GT(seen.attention_outputs[layer], 0);
  }
  const auto ids = from_values(once, {1, static_cast<std::int64_t>(once.size())});
  backward(mean_loss(llama->loss(ids, next_token_targets(ids))));
  const auto embedding = gradient(by_name(*llama).at("model.embed_tokens.weight"));
  EXPECT_NEAR(seen.hidden_states[0], norm_of(embedding), 1e-12);
}

// The stream grows by what the layer adds: attention's output and the terms, weights included.
TEST(Inspect, ContributionsAddUpToTheStream) {
  for (const auto* name : {"method1", "method3.1", "method3.2", "stored1", "stored3"}) {
    SCOPED_TRACE(name);
    const auto llama = make_variant(preset_variant(three_layers(), name).config);
    const NoGrad no_grad;
    Trace trace;
    llama->logits(prompt_ids(), {.trace = &trace});
    for (std::size_t layer = 1; layer < 3; ++layer) {
      auto sum = to_vector(trace.hidden_states[layer]);
      const auto attended = to_vector(trace.attention_outputs[layer]);
      const auto next = to_vector(trace.hidden_states[layer + 1]);
      std::size_t terms = 0;
      for (const auto& term : trace.contributions) {
        if (term.layer != static_cast<std::int64_t>(layer)) continue;
        const auto values = to_vector(term.value);
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
        ++terms;
      }
      EXPECT_EQ(terms, layer + 1);
      for (std::size_t i = 0; i < sum.size(); ++i) {
        EXPECT_NEAR(sum[i] + attended[i], next[i], 1e-11);
      }
    }
  }
}

TEST(Inspect, ALayersOwnTermPointsAlongItself) {
  const auto cross = look(*make_variant(preset_variant(three_layers(), "method1").config)).outputs;
  const auto score = look(*make_variant(preset_variant(three_layers(), "method5.5").config)).scores;
  for (const auto& fed : {cross, score}) {
    ASSERT_FALSE(fed.empty());
    for (std::int64_t layer = 1; layer < 3; ++layer) {
      EXPECT_NEAR(fed.direction.at(layer, layer), 1, 1e-12);
      for (std::int64_t source = 0; source <= layer; ++source) {
        EXPECT_GT(fed.amount.at(layer, source), 0);
      }
      for (std::int64_t later = layer + 1; later < 3; ++later) {
        EXPECT_TRUE(std::isnan(fed.amount.at(layer, later)));
      }
    }
  }
  const auto plain = look(*make_variant(three_layers()));
  EXPECT_TRUE(plain.outputs.empty());
  EXPECT_TRUE(plain.scores.empty());
  EXPECT_THAT(plain.replays, IsEmpty());
}

TEST(Inspect, HeadsAreMeasuredByTheirDefinition) {
  // One head that reads one key each, and one that reads all alike.
  const std::vector<double> numbers{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, .5, .5, 0, .25, .25, .5};
  const auto measures = measure_heads({from_values(numbers, {2, 3, 3})});
  EXPECT_NEAR(measures.entropy[0], 0, 1e-15);
  EXPECT_NEAR(measures.entropy[1], (std::log(2.0) + 1.5 * std::log(2.0)) / 3, 1e-15);
  EXPECT_EQ(measures.first_token_mass[0], 0);
  EXPECT_EQ(measures.first_token_mass[1], (0.5 + 0.25) / 2);
}

// What one step changed, per parameter.
std::vector<double> changes(const Llama& llama, AdamW& optimizer, double learning_rate) {
  const auto ids = prompt_ids();
  std::vector<std::vector<double>> before;
  for (const auto& parameter : llama.parameters()) before.push_back(to_vector(parameter.tensor));
  backward(mean_loss(llama.loss(ids, next_token_targets(ids))));
  optimizer.step(learning_rate, 1);
  clear_gradients(llama.parameters());
  std::vector<double> result;
  for (const auto& parameter : llama.parameters()) {
    auto change = to_vector(parameter.tensor);
    for (std::size_t k = 0; k < change.size(); ++k) change[k] -= before[result.size()][k];
    result.push_back(norm(change));
  }
  return result;
}

TEST(Inspect, AFirstUpdateIsWhatTheOptimizerThenDoes) {
  const auto llama = make_variant(preset_variant(three_layers(), "method3.2").config);
  const AdamWOptions options{.weight_decay = 0.3};
  AdamW optimizer(llama->parameters(), options);
  const auto seen = look(*llama, {}, {.options = options, .learning_rate = 0.01});
  const auto changed = changes(*llama, optimizer, 0.01);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    EXPECT_NEAR(seen.parameters[i].update_norm, changed[i], 1e-10) << seen.parameters[i].name;
  }
}

// With the moments that a step left behind, and no decay, the update is that step.
TEST(Inspect, ALaterUpdateIsTheStepOfItsMoments) {
  const auto llama = make_variant(preset_variant(three_layers(), "method3.2").config);
  const AdamWOptions options{.weight_decay = 0};
  AdamW optimizer(llama->parameters(), options);
  for (int step = 1; step <= 3; ++step) {
    const auto changed = changes(*llama, optimizer, 0.01);
    OptimizerView view{.steps_taken = step, .options = options, .learning_rate = 0.01};
    for (const auto& [name, first, second] : optimizer.states()) {
      view.moments[name] = {first, second};
    }
    const auto seen = look(*llama, {}, view);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      EXPECT_NEAR(seen.parameters[i].update_norm, changed[i], 1e-10) << seen.parameters[i].name;
    }
  }
}

TEST(Inspect, TheTapeIsWholeAndInOrder) {
  const auto llama = make_variant(preset_variant(three_layers(), "method1").config);
  const auto tape = look(*llama).tape;
  ASSERT_GT(tape.size(), 40U);
  std::size_t parameters = 0;
  for (std::size_t i = 0; i < tape.size(); ++i) {
    EXPECT_EQ(tape[i].id, static_cast<std::int64_t>(i) + 1);
    for (const auto from : tape[i].from) EXPECT_LT(from, tape[i].id);
    parameters += tape[i].is_parameter() ? 1 : 0;
    EXPECT_GT(tape[i].gradient_norm, 0) << tape[i].operation << " in " << tape[i].scope;
  }
  EXPECT_EQ(parameters, llama->parameters().size());
  EXPECT_NEAR(tape.back().gradient_norm, 1, 1e-15) << "of the loss itself";
}

TEST(Inspect, AHealthyMaskIsMadeOnceAndFollowedEverywhere) {
  for_each_variant([](const Llama& llama, const ForwardOptions& options) {
    const auto seen = look(llama, options);
    ASSERT_GE(seen.mask_uses.size(), 3U);
    for (const auto& use : seen.mask_uses) {
      EXPECT_EQ(project_file(use.mask.made), "nn/llama/llama.cpp");
      const auto file = project_file(use.where);
      EXPECT_TRUE(file == "nn/layer/recorded_attention.cpp" || file == "nn/layer/model_hooks.cpp" ||
                  file.starts_with("nn/attention/"))
          << file;
      EXPECT_TRUE(use.scope.starts_with("model.layers.")) << use.scope;
    }
    for (const auto& replay : seen.replays) {
      EXPECT_EQ(project_file(replay.where), "nn/residual/recomputed_residual.cpp");
      EXPECT_TRUE(std::ranges::any_of(seen.mask_uses,
                                      [&](const auto& use) { return use.scope == replay.scope; }));
    }
  });
}

TEST(Inspect, AnUnmaskedRecomputationIsSeenWhereItIs) {
  const auto config = preset_variant(three_layers(), "fault-unmasked-recompute").config;
  const auto seen = look(*make_variant(config));
  for (const auto& map : seen.attention) EXPECT_EQ(largest_hidden_weight(map), 0);
  ASSERT_EQ(seen.replays.size(), 3U);
  for (const auto& replay : seen.replays) {
    EXPECT_GT(replay.largest_hidden, 0.001);
    EXPECT_GT(at(replay.weights, 0, 0, 1), 0);
  }
  std::set<std::string> makers;
  for (const auto& use : seen.mask_uses) makers.insert(project_file(use.mask.made));
  EXPECT_EQ(makers.size(), 2U);
}

// Whatever is wrong with a model, it can be looked at.
TEST(Inspect, TakesEveryKnownMistake) {
  int seen = 0;
  for (const auto& name : Faults::names()) {
    for (const auto* preset : {"method3.2", "llama"}) {
      SCOPED_TRACE(name);
      auto config = preset_variant(three_layers(), preset).config;
      if (!Faults::make(name)->missing_in(config).empty()) continue;
      config.fault = name;
      const auto found = look(*make_variant(config));
      EXPECT_EQ(found.attention.size(), 3U);
      EXPECT_EQ(found.parameters.size(), make_variant(config)->parameters().size());
      ++seen;
    }
  }
  EXPECT_GT(seen, 40);
}

// One token has no next one: nothing to learn from, and nothing to fail on.
TEST(Inspect, OneTokenHasNoLoss) {
  const auto llama = make_variant(three_layers());
  const auto seen = inspect(*llama, {3}, {}, {.learning_rate = 1e-3});
  EXPECT_TRUE(std::isnan(seen.loss));
  EXPECT_THAT(seen.nats, IsEmpty());
  EXPECT_EQ(at(seen.attention[0], 0, 0, 0), 1);
}

TEST(Inspect, NobodyIsWatchedUnlessAsked) {
  const auto llama = make_variant(three_layers());
  const NoGrad no_grad;
  const MaskWatch outer;
  {
    const MaskWatch inner;
    llama->logits(prompt_ids());
    EXPECT_EQ(inner.uses().size(), 3U);
    const MaskWatch::Pause pause;
    llama->logits(prompt_ids());
    EXPECT_EQ(inner.uses().size(), 3U);
  }
  EXPECT_THAT(outer.uses(), IsEmpty());
  llama->logits(prompt_ids());
  EXPECT_EQ(outer.uses().size(), 3U);
}

}  // namespace
}  // namespace lookback::testing
