// Mixtures of heads and of attention: what they are in the limit, what their routers are held to,
// and that activation recomputation changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "autograd/ops/top_k.h"
#include "kernels/copy.h"
#include "kernels/fill.h"
#include "nn/layer/router.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Tensor logits_of(const Llama& llama) { return llama.logits(some_ids(2, 9, 13)); }

// Gives `to` the parameters of `from` that it has under the same name; those whose name holds one
// of `zeroed` become 0.
std::unique_ptr<Llama> like(const Llama& from, const Json& attention, const Json& more = {},
                            const std::vector<std::string>& zeroed = {}) {
  auto llama = make_variant(with_attention(attention, more.is_null() ? Json::object() : more));
  const auto source = by_name(from);
  for (const auto& [name, tensor] : by_name(*llama)) {
    for (const auto& part : zeroed) {
      if (name.find(part) != std::string::npos) {
        kernels::fill(tensor.backend(), {.y = tensor, .value = 0});
      }
    }
    const auto found = source.find(name);
    if (found == source.end() || found->second.shape() != tensor.shape()) continue;
    kernels::copy_forward(tensor.backend(), {.x = found->second, .y = tensor});
  }
  return llama;
}

Json moh(std::int64_t shared, std::int64_t chosen, const Json& more = Json::object()) {
  Json object{{"type", "moh"}, {"num_shared_heads", shared}, {"num_selected_heads", chosen}};
  object.update(more);
  return object;
}
Json moa(std::int64_t experts, std::int64_t chosen, const Json& more = Json::object()) {
  Json object{{"type", "moa"}, {"num_experts", experts}, {"num_experts_per_tok", chosen}};
  object.update(more);
  return object;
}

TEST(MixtureOfHeads, OfAllHeadsWithoutPreferenceIsThePlainAttention) {
  for (const std::int64_t key_heads : {1, 2, 4}) {
    const Json heads{{"num_key_value_heads", key_heads}};
    const auto plain = make_variant(with_attention(Json::object(), heads));
    const auto expected = logits_of(*plain);
    for (const std::int64_t shared : {0, 1, 2, 3}) {
      const auto all = like(*plain, moh(shared, 4 - shared), heads, {".wg"});
      EXPECT_LT(largest_difference(logits_of(*all), expected), 1e-13) << shared;
      const auto longest = like(*plain, moh(shared, 4 - shared, {{"router", "query_norm"}}), heads);
      EXPECT_EQ(largest_difference(logits_of(*longest), expected), 0) << shared;
    }
  }
}

// Equal gates of the heads that are used, none of the others, and a balance of K.
TEST(MixtureOfHeads, WithoutPreferenceGatesAreOneOrZero) {
  const auto plain = make_variant(with_attention(Json::object()));
  const auto llama = like(*plain, moh(1, 2, {{"router_aux_loss_coef", 1}}), {}, {".wg"});
  Trace trace;
  const auto ids = some_ids(2, 9, 13);
  const auto loss = llama->loss(ids, next_token_targets(ids), {}, {.trace = &trace});
  EXPECT_NEAR(loss.auxiliary.item(), 2, 1e-13);
  ASSERT_EQ(trace.gates.size(), 2u);
  const auto gates = to_doubles(trace.gates.at(1));
  for (std::size_t i = 0; i < gates.size(); ++i) {
    EXPECT_NEAR(gates[i], i % 4 == 3 ? 0 : 1, 1e-14) << i;  // of equal logits the lower head
  }
}

// All experts at equal weights, whose outputs are divided by their number: multi-query attention,
// head e made of expert e.
TEST(MixtureOfAttention, OfAllExpertsWithoutPreferenceIsMultiQueryAttention) {
  constexpr std::int64_t experts = 4;
  const Json heads{{"num_key_value_heads", 1}};
  const auto plain = make_variant(with_attention(Json::object(), heads));
  const auto all =
      like(*plain, moa(experts, experts, {{"router_aux_loss_coef", 1}, {"router_z_loss_coef", 0}}),
           heads, {"router"});
  const auto from = by_name(*plain), to = by_name(*all);
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    const auto queries = from.at(layer + "q_proj.weight").elements<double>();
    const auto inputs = to.at(layer + "experts.input_linear.weight").elements<double>();
    ASSERT_EQ(queries.size(), inputs.size());  // the rows of head e are expert e's
    std::ranges::copy(queries, inputs.begin());
    const auto& projection = from.at(layer + "o_proj.weight");  // [D, experts * width]
    const auto hidden = projection.size(0), width = projection.size(1) / experts;
    const auto outputs = to.at(layer + "experts.output_linear.weight").elements<double>();
    for (std::int64_t i = 0; i < experts * hidden * width; ++i) {
      const auto expert = i / (hidden * width), row = i / width % hidden, column = i % width;
      outputs[static_cast<std::size_t>(i)] =
          static_cast<double>(experts) *
          projection.data<double>()[(row * experts + expert) * width + column];
    }
  }
  EXPECT_LT(largest_difference(logits_of(*all), logits_of(*plain)), 1e-13);
  const auto ids = some_ids(2, 9, 13);
  EXPECT_NEAR(all->loss(ids, next_token_targets(ids)).auxiliary.item(), experts, 1e-13);
  const auto by_z = like(
      *all, moa(experts, experts, {{"router_aux_loss_coef", 0}, {"router_z_loss_coef", 1}}), heads);
  EXPECT_NEAR(by_z->loss(ids, next_token_targets(ids)).auxiliary.item(),
              std::pow(std::log(experts), 2), 1e-13);
}

// The formulas, loop by loop.
double naive_losses(const Tensor& logits, const Tensor& chosen, const RouterLosses& losses) {
  const auto batch = logits.size(0), tokens = logits.size(1), outputs = logits.size(2);
  const auto l = to_doubles(logits), used = to_doubles(chosen);
  double balance = 0, z = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    std::vector<double> share(static_cast<std::size_t>(outputs)), mean(share);
    for (std::int64_t t = 0; t < tokens; ++t) {
      const auto* row = l.data() + (b * tokens + t) * outputs;
      const double largest = *std::max_element(row, row + outputs);
      double sum = 0;
      for (std::int64_t e = 0; e < outputs; ++e) sum += std::exp(row[e] - largest);
      z += std::pow(largest + std::log(sum), 2) / static_cast<double>(batch * tokens);
      for (std::size_t e = 0; e < share.size(); ++e) {
        mean[e] += std::exp(row[e] - largest) / sum / static_cast<double>(tokens);
        share[e] += used[static_cast<std::size_t>((b * tokens + t) * outputs) + e] /
                    static_cast<double>(tokens);
      }
    }
    for (std::size_t e = 0; e < share.size(); ++e) {
      balance += static_cast<double>(outputs) * share[e] * mean[e] / static_cast<double>(batch);
    }
  }
  return losses.balance * balance + losses.z * z;
}

TEST(RouterLosses, AreTheirFormulas) {
  const RouterLosses losses{.balance = 0.7, .z = 0.3};
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{2, 3, 5}, Shape{3, 31, 33}, Shape{1, 1025, 2}}) {
    for (const double size : {1.0, 3000.0}) {
      const auto logits = make_f64(
          shape, [&](std::int64_t i) { return size * std::sin(static_cast<double>(i * i + 1)); });
      const auto chosen = top_k(logits, (shape[2] + 1) / 2).chosen;
      const auto expected = naive_losses(logits, chosen, losses);
      EXPECT_NEAR(losses.of(logits, chosen).item(), expected, 1e-12 * std::fabs(expected));
      if (shape.numel() > 100 || size > 1) continue;
      const auto check =
          gradcheck([&](const std::vector<Tensor>& in) { return losses.of(in[0], chosen); }, {[&] {
                      set_requires_grad(logits);
                      return logits;
                    }()});
      EXPECT_TRUE(check.passed) << to_string(shape) << check.message;
    }
  }
}

// A weight of a whole model's parameters and the auxiliary loss, with all activations kept and with
// those of a layer run again: to the bit, and so not counted twice.
TEST(AuxiliaryLoss, IsTheSameWithActivationsRunAgain) {
  const OneThread one_thread;
  for (const auto& attention : {moh(1, 2), moa(4, 2)}) {
    for (const auto* method : {"llama", "method1", "method3.2", "stored3"}) {
      auto base = with_attention(attention, {{"num_key_value_heads", 2}});
      base.cross_layer_residual = preset_variant(base, method).config.cross_layer_residual;
      const auto llama = make_variant(base);
      const auto ids = some_ids(2, 7, base.vocab_size);
      std::vector<std::vector<double>> results;
      for (const auto activations : {Activations::kept, Activations::recomputed}) {
        clear_gradients(llama->parameters());
        const auto loss =
            llama->loss(ids, next_token_targets(ids), {}, {.activations = activations});
        ASSERT_TRUE(loss.auxiliary.defined());
        backward(with_auxiliary(mean_loss(loss), loss));
        auto& all = results.emplace_back(to_doubles(loss.auxiliary));
        for (const auto& parameter : llama->parameters()) {
          const auto more = to_doubles(gradient(parameter.tensor));
          all.insert(all.end(), more.begin(), more.end());
        }
      }
      EXPECT_EQ(results[0], results[1]) << attention << method;
    }
  }
}

TEST(AuxiliaryLoss, IsThereForLearnedRoutersAlone) {
  const auto ids = some_ids(2, 7, 13);
  const auto auxiliary = [&](const Json& attention) {
    return make_variant(with_attention(attention))->loss(ids, next_token_targets(ids)).auxiliary;
  };
  EXPECT_FALSE(auxiliary(Json::object()).defined());
  EXPECT_FALSE(auxiliary(moh(1, 2, {{"router", "query_norm"}})).defined());
  EXPECT_GT(auxiliary(moh(1, 2)).item(), 0);
  // The mean over the layers that have one.
  const double alone = auxiliary(Json::array({Json::object(), moh(1, 2)})).item();
  const double twice = auxiliary(Json::array({moh(1, 2), Json::object()})).item();
  const double both = auxiliary(moh(1, 2)).item();
  EXPECT_NE(alone, twice);
  EXPECT_LT(both, std::max(alone, twice) * 1.5);
  EXPECT_EQ(auxiliary(moh(1, 2, {{"router_aux_loss_coef", 0}})).item(), 0);
}

TEST(MixtureConfig, WhatCannotBeIsNamed) {
  EXPECT_THAT(error_of(moh(4, 1)), HasSubstr("num_shared_heads is 4 (number): must be below "
                                             "num_attention_heads, 4"));
  EXPECT_THAT(error_of(moh(1, 4)),
              HasSubstr("num_selected_heads is 4 (number): must be at most 3"));
  EXPECT_THAT(error_of(moh(1, 0)), HasSubstr("must be an integer from 1"));
  EXPECT_THAT(error_of({{"type", "moh"}, {"num_shared_heads", 1}}),
              HasSubstr("attention_mechanism has no num_selected_heads"));
  EXPECT_THAT(error_of(moh(1, 2, {{"router", "random"}})),
              HasSubstr("must be one of learned, query_norm"));
  EXPECT_THAT(error_of(moh(1, 2, {{"router_aux_loss_coef", -1}})),
              HasSubstr("must be a number of at least 0"));
  EXPECT_THAT(error_of(moh(1, 2, {{"norm_topk_prob", true}})), HasSubstr("unknown key"));
  const Json two{{"num_key_value_heads", 2}};
  EXPECT_EQ(error_of(moa(2, 2), two), "");
  EXPECT_THAT(error_of(moa(1, 2), two),
              HasSubstr("num_experts_per_tok is 2 (number): must be at most num_experts, 1"));
  EXPECT_THAT(error_of(moa(3, 3), two),
              HasSubstr("num_experts_per_tok is 3 (number): times num_key_value_heads, 2, must be "
                        "num_attention_heads, 4"));
  EXPECT_THAT(error_of(moa(2, 2, {{"position_embedding_type", "alibi"}}), two),
              HasSubstr("position_embedding_type"));
  EXPECT_THAT(error_of(moa(2, 2, {{"qk_norm", "rms_norm"}}), two), HasSubstr("qk_norm"));
  EXPECT_EQ(error_of(moa(2, 2, {{"qk_norm", "rms_norm_per_head"}}), two), "");
  const Json accumulated{{"num_key_value_heads", 2},
                         {"score_accumulation", {{"scale", "sqrt_dk"}}}};
  EXPECT_THAT(error_of(moa(2, 2), accumulated),
              HasSubstr("score_accumulation: moa has no scores that layers could add up"));
  EXPECT_EQ(error_of(moh(1, 2), accumulated), "");
}

// Keys and values, as the plain attention: gates are functions of their token.
TEST(MixtureCache, HoldsKeysAndValuesAlone) {
  const NoGrad no_grad;
  for (const auto& attention : {moh(1, 2), moa(4, 2)}) {
    KeyValueCache cache(1, 4, DType::f64);
    const auto config = with_attention(attention, {{"num_key_value_heads", 2}});
    static_cast<void>(make_variant(config)->logits(some_ids(1, 4, 13), {.cache = &cache}));
    EXPECT_EQ(cache.bytes_per_token(),
              static_cast<std::size_t>(config.num_hidden_layers * 2 * 2 * config.head_dim) * 8);
  }
}

}  // namespace
}  // namespace lookback::testing
