// Each known mistake changes what it says, and nothing else: the same weights with and without it.
#include "apps/diagnosis/faults/fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/data/built_in_source.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/to_vector.h"
#include "kernels/core/slot.h"
#include "nn/adamw.h"
#include "nn/layer/attention_options.h"
#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;

using Change = FaultInjection::Change;
using Changes = FaultInjection::Changes;

constexpr std::string_view of_a_mechanism = "of a mechanism";

// The model with the attention that a fault is a mistake of.
LlamaConfig with_attention_of(const FaultInjection& fault) {
  auto config = preset_variant(small_config(), std::string(fault.preset())).config;
  config.head_dim = 8;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.num_hidden_layers = 3;
  config.tie_word_embeddings = true;
  config.rms_norm_eps = 1e-3;  // what hangs on it is not lost in the mean of a loss
  config.attention =
      read_attention(nlohmann::json::parse(fault.attention_mechanism()), "test", config);
  return config;
}

// A variant that can have the fault, small and with tied embeddings; of a mechanism's the preset
// says nothing.
LlamaConfig config_of(const std::string& preset, const std::string& fault) {
  if (preset == of_a_mechanism) {
    auto config = with_attention_of(*Faults::make(fault));
    config.fault = fault;
    return config;
  }
  auto base = small_config();
  base.num_hidden_layers = 3;
  base.tie_word_embeddings = true;
  auto config = preset_variant(base, preset).config;
  config.fault = fault;
  return config;
}

std::string host_of(const std::string& fault) {
  const auto injected = Faults::make(fault);
  if (!injected->attention_mechanism().empty()) return std::string(of_a_mechanism);
  for (const auto* preset : {"llama", "method1", "method3.2"}) {
    if (injected->missing_in(config_of(preset, "")).empty()) return preset;
  }
  fail("test", "no preset can have the fault {}", fault);
}

constexpr std::int64_t rows = 2, tokens = 20;

TokenBatch some_batch(const Tensor& ids, std::size_t hidden_targets) {
  const auto numbers = [](const Tensor& of) {
    const auto all = of.elements<std::int64_t>();
    return std::vector<std::int64_t>(all.begin(), all.end());
  };
  TokenBatch batch{.rows = ids.size(0),
                   .columns = ids.size(1),
                   .inputs = numbers(ids),
                   .targets = numbers(next_token_targets(ids))};
  std::ranges::replace(batch.targets, ignored_target, std::int64_t{3});
  std::fill_n(batch.targets.begin(), hidden_targets, ignored_target);
  return batch;
}

Tensor decoded(const Llama& llama, const Tensor& ids) {
  KeyValueCache cache(ids.size(0), ids.size(1), llama.precision.storage);
  std::vector<Tensor> all;
  for (std::int64_t t = 0; t < ids.size(1); ++t) {
    all.push_back(llama.logits(slice(ids, 1, t, t + 1), {.cache = &cache}));
  }
  return cat(all, 1);
}

struct Outcome {
  std::map<Change, std::vector<Tensor>> numbers;
  std::vector<std::string> optimized;
};

Tensor number(double value) { return from_values<double>({value}, {}); }

std::unique_ptr<Llama> with_large_scores(const LlamaConfig& config) {
  auto llama = make_variant(config);
  for (const auto& [name, parameter] : by_name(*llama)) {
    if (!name.ends_with("q_proj.weight") && !name.ends_with("k_proj.weight")) continue;
    for (auto& weight : parameter.elements<double>()) weight *= 1000;
  }
  return llama;
}

// How far gradients of layers that are run again are from those of layers that are not.
double of_running_again(const Llama& llama, const TokenBatch& batch) {
  const auto gradients = [&](Activations activations) {
    clear_gradients(llama.parameters());
    accumulate_gradients(
        llama, {batch}, {.attention = AttentionPath::explicit_weights, .activations = activations});
    std::vector<double> all;
    for (const auto& parameter : llama.parameters()) {
      const auto grad = gradient(parameter.tensor);
      const auto part = grad.defined() ? to_vector(grad) : std::vector<double>{};
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  };
  const auto kept = gradients(Activations::kept), again = gradients(Activations::recomputed);
  double largest = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (std::isfinite(kept[i])) largest = std::max(largest, std::fabs(kept[i] - again[i]));
  }
  return largest;
}

Outcome outcome_of(const LlamaConfig& config, Activations activations = Activations::kept) {
  const auto llama = make_variant(config);
  const auto ids = some_ids(rows, tokens, config.vocab_size);
  const ForwardOptions forward{.attention = AttentionPath::explicit_weights,
                               .activations = activations};
  Outcome result;
  auto& numbers = result.numbers;
  numbers[Change::logits] = {llama->logits(ids, forward).detach()};
  numbers[Change::short_logits] = {llama->logits(slice(ids, 1, 0, 6), forward).detach()};
  {
    const NoGrad no_grad;
    numbers[Change::evaluated] = {llama->logits(ids, forward)};
    numbers[Change::decoded] = {decoded(*llama, ids)};
  }
  const auto loss = llama->loss(ids, next_token_targets(ids), {}, forward);
  numbers[Change::loss] = {loss.loss_sum.detach()};
  numbers[Change::count] = {number(loss.count.item())};
  const auto step = accumulate_gradients(
      *llama, {some_batch(ids, 7), some_batch(some_ids(rows, tokens, config.vocab_size, 2), 1)},
      forward);
  numbers[Change::step] = {number(step.loss)};
  for (const auto& parameter : llama->parameters()) {
    const auto grad = gradient(parameter.tensor);
    const auto none = zeros(parameter.tensor.shape(), parameter.tensor.dtype());
    numbers[Change::gradient].push_back((grad.defined() ? grad : none) * step.loss_scale);
  }
  numbers[Change::recomputed] = {number(of_running_again(*llama, some_batch(ids, 7)))};
  numbers[Change::rate] = {number(learning_rate_at(*llama, {.total_steps = 10}, 3))};
  for (const auto& each : optimized_parameters(*llama)) result.optimized.push_back(each.name);
  const auto scaled = with_large_scores(config);
  numbers[Change::scaled_logits] = {scaled->logits(ids, forward).detach()};
  return result;
}

// What of two outcomes differs by more than rounding.
Changes differences(const Outcome& a, const Outcome& b) {
  Changes result;
  for (const auto& [name, numbers] : a.numbers) {
    const auto& others = b.numbers.at(name);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const double size = std::max(1e-6, largest_element(numbers[i]));
      if (!(largest_difference(numbers[i], others[i]) <= 1e-7 * size)) result.insert(name);
    }
  }
  if (a.optimized != b.optimized) result.insert(Change::optimized);
  return result;
}

bool reads_other_rows(const LlamaConfig& config) {
  const auto source = make_built_in_source("stories", 0, BuiltInPart::fresh);
  const auto read = read_by(config, {.training = source, .validation = source});
  const auto second = [](const TokenSource& each) {
    return each.training_batch(0, 1, 2, 8).inputs;
  };
  return second(*read.training) != second(*source);
}

TEST(Faults, EachChangesWhatItSaysAndNothingElse) {
  const OneThread one_thread;
  std::map<std::string, Outcome> healthy;
  for (const auto& name : Faults::names()) {
    const auto config = config_of(host_of(name), name);
    auto without = config;
    without.fault.clear();
    const auto host = host_of(name) == of_a_mechanism ? name : host_of(name);
    if (!healthy.contains(host)) healthy[host] = outcome_of(without);
    auto found = differences(healthy.at(host), outcome_of(config));
    const DataChoice given{.training = "builtin:stories", .validation = "other.txt"};
    if (data_of(config, given) != given || reads_other_rows(config)) found.insert(Change::data);
    const bool changes_nothing = Faults::make(name)->verdict() == Verdict::incomplete;
    EXPECT_EQ(found.empty(), changes_nothing) << name;
    EXPECT_EQ(found, Faults::make(name)->changes()) << name;
  }
}

TEST(Faults, ActivationsRunAgainChangeNothing) {
  const OneThread one_thread;
  for (const auto& name : Faults::names()) {
    if (name == "hidden_nan") continue;  // no two NaN are equal
    if (Faults::make(name)->changes().contains(Change::recomputed)) continue;
    const auto config = config_of(host_of(name), name);
    EXPECT_EQ(differences(outcome_of(config), outcome_of(config, Activations::recomputed)),
              Changes{})
        << name;
  }
}

TEST(Faults, EveryVerdictHasAFault) {
  std::set<Verdict> found;
  for (const auto& name : Faults::names()) {
    const auto fault = Faults::make(name);
    found.insert(fault->verdict());
    EXPECT_GT(fault->description().size(), 10U) << name;
    EXPECT_EQ(fault->description().find('\n'), std::string_view::npos) << name;
  }
  std::set<Verdict> all;
  for (const auto& each : verdict_classes()) all.insert(each.verdict);
  all.erase(Verdict::healthy);
  EXPECT_EQ(found, all);
}

// A model can have every fault that a diagnosis knows, and no other.
TEST(Faults, AreTheHooksThatAConfigCanName) { EXPECT_EQ(FaultHooks::names(), Faults::names()); }

std::string refusal(
    const std::string& preset, const std::string& fault,
    const std::function<void(LlamaConfig&)>& change = [](auto&) {}) {
  auto config = config_of(preset, fault);
  change(config);
  try {
    const Llama llama(config, precision_of(DType::f32));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Faults, AreRefusedWhereTheyCannotBe) {
  for (const auto* fault : {"unmasked_recompute", "double_softmax"}) {
    for (const auto* preset : {"llama", "stored1", "method5.1"}) {
      EXPECT_EQ(refusal(preset, fault),
                fmt::format("[fault] {} cannot be made in this model: it needs a "
                            "cross_layer_residual with source recomputed, and two layers or more",
                            fault));
    }
    EXPECT_NE(refusal("method2", fault, [](auto& config) { config.num_hidden_layers = 1; }), "");
    EXPECT_EQ(refusal("method2", fault), "");
  }
  for (const auto* preset : {"mla", "sliding-window"}) {
    EXPECT_EQ(refusal(preset, "unmasked"),
              "[fault] unmasked cannot be made in this model: it needs plain attention, no "
              "attention_mechanism");
  }
  EXPECT_EQ(refusal("llama", "untied_mixing"),
            "[fault] untied_mixing cannot be made in this model: it needs attention_mechanism "
            "collaborative with rotary positions in every layer");
  EXPECT_THAT(refusal("mohsa", "composed_without_mask"), HasSubstr("attention_mechanism dcmha"));
  EXPECT_THAT(refusal("dcmha", "auxiliary_loss_twice"), HasSubstr("moh or moa"));
  EXPECT_THAT(refusal("moh", "window_of_one_more"), HasSubstr("causal with a pattern"));
  EXPECT_THAT(refusal("moh", "gates_computed_again"), HasSubstr("source recomputed"));
  EXPECT_THAT(refusal("method1", "gates_computed_again"), HasSubstr("moh or moa"));
  EXPECT_THAT(refusal("moh", "rope_before_overlap"), HasSubstr("mohsa with overlap_dim above 0"));
  EXPECT_THAT(refusal("mohsa", "rope_before_overlap",
                      [](auto& config) {
                        config.attention =
                            read_attention({{"type", "mohsa"}, {"overlap_dim", 0}}, "test", config);
                      }),
              HasSubstr("overlap_dim above 0"));
  EXPECT_THAT(
      refusal("mla", "model_epsilon_in_latents", [](auto& config) { config.rms_norm_eps = 1e-6; }),
      HasSubstr("rms_norm_eps other than 1e-6"));
  EXPECT_EQ(refusal("moa", "auxiliary_loss_twice"), "");
  EXPECT_EQ(refusal("collaborative", "untied_mixing"), "");
  EXPECT_THAT(
      refusal("llama", "tiled_key_heads", [](auto& config) { config.num_key_value_heads = 1; }),
      HasSubstr("num_key_value_heads above 1"));
  EXPECT_THAT(refusal("method3.1", "unregistered_parameter"), HasSubstr("learned layer weights"));
  EXPECT_THAT(refusal("llama", "unregistered_parameter"), HasSubstr("learned layer weights"));
  EXPECT_EQ(refusal("stored3", "unregistered_parameter"), "");
  const auto untied = [](auto& config) { config.tie_word_embeddings = false; };
  EXPECT_THAT(refusal("llama", "tying_broken_on_load", untied), HasSubstr("tie_word_embeddings"));
  const auto two_layers = [](auto& config) { config.num_hidden_layers = 2; };
  EXPECT_THAT(refusal("method1-simple", "norm_over_sequence", two_layers), HasSubstr("layer 1"));
  EXPECT_EQ(refusal("method1-simple", "norm_over_sequence"), "");
  EXPECT_THAT(refusal("method1-replace", "cut_residual_stream"), HasSubstr("not replaced"));
  EXPECT_EQ(refusal("method2-replace", "cut_residual_stream"), "");
  for (const auto* fault : {"hidden_nan", "norm_over_sequence", "mean_of_sequence",
                            "cut_residual_stream", "dropped_gradient_between_layers"}) {
    EXPECT_THAT(refusal("llama", fault, [](auto& config) { config.num_hidden_layers = 1; }),
                HasSubstr("it needs two layers or more"));
  }
}

// The loss that a log would show is a number; the gradients are not.
TEST(Faults, ANanIsHiddenFromTheLoss) {
  const auto config = config_of("llama", "hidden_nan");
  const auto llama = make_variant(config);
  const auto ids = some_ids(rows, tokens, config.vocab_size);
  const auto step = accumulate_gradients(*llama, {some_batch(ids, 0)});
  EXPECT_TRUE(std::isfinite(step.loss));
  EXPECT_FALSE(std::isfinite(step.grad_norm));
}

using Scopes = std::set<std::string>;

// The scopes in which an operation ran.
Scopes scopes_of(std::string_view slot, const LlamaConfig& config) {
  Scopes scopes;
  const auto llama = make_variant(config);
  const kernels::ObserveKernels observe([&](const auto& ran, const auto&, const auto&) {
    if (ran.name == slot) scopes.insert(*Scope::current());
  });
  llama->logits(some_ids(1, 4, config.vocab_size));
  return scopes;
}

TEST(Faults, HappenInTheScopeTheyAreBlamedOn) {
  const Scopes first = {"model.layers.0.self_attn", "model.layers.1.self_attn",
                        "model.layers.2.self_attn"};
  EXPECT_EQ(scopes_of("attention_weights_forward", config_of("llama", "unmasked")), first);
  auto found = scopes_of("attention_weights_forward", config_of("method1", "unmasked_recompute"));
  for (const auto& each : first) found.erase(each);
  EXPECT_EQ(found,
            (Scopes{"model.layers.1.recompute.0.self_attn", "model.layers.2.recompute.0.self_attn",
                    "model.layers.2.recompute.1.self_attn"}));
  found = scopes_of("softmax_forward", config_of("method1", "double_softmax"));
  EXPECT_EQ(found,
            (Scopes{"model.layers.1.recompute.0.self_attn", "model.layers.2.recompute.0.self_attn",
                    "model.layers.2.recompute.1.self_attn"}));
  EXPECT_TRUE(scopes_of("rms_norm_forward", config_of("llama", "norm_over_sequence"))
                  .contains("model.layers.1.input_layernorm"));
  EXPECT_EQ(scopes_of("sum_forward", config_of("llama", "mean_of_sequence")),
            (Scopes{"model.layers.1"}));
}

}  // namespace
}  // namespace lookback::testing
