// Every point of the axes against the naive loop: the loss, logits, attention weights, hidden
// states and every gradient, for both ways to attend, and with activations run again.
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/cross_entropy.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/naive_variant.h"
#include "tests/nn/variants_by_scale.h"

namespace lookback::testing {
namespace {

// Everything is in f64 and differs by the order of sums alone.
constexpr double tolerance = 1e-11;
constexpr std::int64_t batch = 2, tokens = 7;

struct Outcome {
  Tensor loss, logits;
  Trace trace;
  std::map<std::string, Tensor> gradients;
};

std::map<std::string, Tensor> take_gradients(const Llama& llama) {
  std::map<std::string, Tensor> all;
  for (const auto& [name, parameter] : by_name(llama)) {
    const auto grad = gradient(parameter);
    all.emplace(name, grad.defined() ? grad : zeros(parameter.shape(), parameter.dtype()));
    clear_gradient(parameter);
  }
  return all;
}

Outcome naive(const Llama& llama, const Tensor& ids) {
  auto run = naive_forward(llama.config, by_name(llama), ids);
  Outcome outcome;
  outcome.logits = run.logits;
  outcome.loss = mean_loss(cross_entropy(run.logits, next_token_targets(ids)));
  outcome.trace.attention_weights = std::move(run.attention_weights);
  outcome.trace.hidden_states = std::move(run.hidden_states);
  backward(outcome.loss);
  outcome.gradients = take_gradients(llama);
  return outcome;
}

Outcome ours(const Llama& llama, const Tensor& ids, ForwardOptions options) {
  Outcome outcome;
  outcome.loss = mean_loss(llama.loss(ids, next_token_targets(ids), {}, options));
  backward(outcome.loss);
  outcome.gradients = take_gradients(llama);
  const NoGrad no_grad;
  options.trace = &outcome.trace;
  outcome.logits = llama.logits(ids, options);
  return outcome;
}

void expect_close(const Tensor& got, const Tensor& expected, double smallest,
                  const std::string& what) {
  EXPECT_LE(largest_difference(got, expected),
            tolerance * std::max(smallest, largest_element(expected)))
      << what;
}

void expect_same(const Outcome& got, const Outcome& expected) {
  expect_close(got.loss, expected.loss, 0, "loss");
  expect_close(got.logits, expected.logits, 0, "logits");
  ASSERT_EQ(got.trace.hidden_states.size(), expected.trace.hidden_states.size());
  for (std::size_t l = 0; l < got.trace.hidden_states.size(); ++l) {
    expect_close(got.trace.hidden_states[l], expected.trace.hidden_states[l], 0, "hidden");
  }
  ASSERT_EQ(got.trace.attention_weights.size(), expected.trace.attention_weights.size());
  for (std::size_t l = 0; l < got.trace.attention_weights.size(); ++l) {
    expect_close(got.trace.attention_weights[l], expected.trace.attention_weights[l], 0,
                 "attention weights");
  }
  double largest = 0;
  for (const auto& [name, grad] : expected.gradients) {
    largest = std::max(largest, largest_element(grad));
  }
  for (const auto& [name, grad] : expected.gradients) {
    expect_close(got.gradients.at(name), grad, 1e-3 * largest, name);
  }
}

void expect_same_bits(const Outcome& got, const Outcome& expected) {
  EXPECT_EQ(got.loss.item(), expected.loss.item());
  for (const auto& [name, grad] : expected.gradients) {
    EXPECT_EQ(to_doubles(got.gradients.at(name)), to_doubles(grad)) << name;
  }
}

void agree(const Variant& variant) {
  SCOPED_TRACE(variant.name);
  const auto llama = make_variant(variant.config);
  const auto ids = some_ids(batch, tokens, variant.config.vocab_size);
  const auto expected = naive(*llama, ids);
  for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
    SCOPED_TRACE(path == AttentionPath::streaming ? "streaming" : "explicit weights");
    const auto kept = ours(*llama, ids, {.attention = path});
    expect_same(kept, expected);
    const auto options = ForwardOptions{.attention = path, .activations = Activations::recomputed};
    expect_same_bits(ours(*llama, ids, options), kept);
  }
}

TEST_P(VariantsByScale, AgreeWithTheNaiveLoop) {
  const OneThread one_thread;
  auto base = small_config();
  base.num_hidden_layers = 3;
  const auto all = variants_with_scale(base, GetParam());
  ASSERT_EQ(all.size(), 49u);
  for (std::size_t i = 0; i < all.size(); ++i) agree({all[i].name, shaped(all[i].config, i)});
}

// More layers than the others, and head sizes that are not hidden_size / heads.
TEST(Variants, OfFiveLayersAgreeWithTheNaiveLoop) {
  const OneThread one_thread;
  auto base = small_config();
  base.num_hidden_layers = 5;
  base.head_dim = 6;
  base.rope_scaling = {.kind = RopeScaling::Kind::linear, .factor = 2};
  std::size_t i = 0;
  for (const auto& variant : presets_with_plain_attention(base)) {
    agree({variant.name, shaped(variant.config, i++)});
  }
}

}  // namespace
}  // namespace lookback::testing
