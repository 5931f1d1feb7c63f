// The proof on whole models: what is proved, what is not, and where it points.
#include "nn/proof/causal_proof.h"

#include <gtest/gtest.h>

#include "autograd/grad_mode.h"
#include "kernels/taint/cells.h"
#include "nn/proof/taint_trace.h"
#include "tests/nn/variants.h"

namespace lookback {
namespace {

using testing::healthy_presets;
using testing::preset_variant;

LlamaConfig base_config() {
  auto config = testing::small_config();
  config.num_hidden_layers = 3;
  config.max_position_embeddings = 200;
  return config;
}

TEST(CausalProof, EveryHealthyPresetIsProved) {
  for (const auto& [name, config] : healthy_presets(base_config())) {
    const auto proof = prove_causal(config, {5, 33, 70});
    EXPECT_TRUE(proof.proved()) << name << ": " << proof.leaking_path << " "
                                << (proof.leak ? describe(*proof.leak) : proof.not_followed);
    EXPECT_EQ(proof.lengths.size(), 3u) << name;
  }
}

// Every point of every axis, on the paths that training takes.
TEST(CausalProof, EveryVariantIsProved) {
  auto config = base_config();
  config.num_hidden_layers = 2;
  const std::vector<RunPath> training{run_paths().front()};
  for (const auto& [name, variant] : testing::all_variants(config)) {
    EXPECT_TRUE(prove_causal(variant, {9}, training).proved()) << name;
  }
}

TEST(CausalProof, NamesTheFirstAttentionWithoutAMask) {
  const auto proof = prove_causal(preset_variant(base_config(), "fault-unmasked").config, {33});
  ASSERT_TRUE(proof.leak);
  EXPECT_EQ(proof.leak->module, "model.layers.0.self_attn");
  EXPECT_EQ(proof.leak->layer, 0);
  EXPECT_FALSE(proof.leak->recomputed_layer);
  EXPECT_EQ(proof.leak->target, 0);
  EXPECT_EQ(proof.leak->source, 1);
}

// Of 150 positions, with the word holding positions 64 to 127: row t of the plain model depends on
// those of them up to t, and without a mask row 0 depends on the first of them.
TEST(CausalProof, FollowsLongSequencesInBlocks) {
  constexpr std::int64_t tokens = 150, first_source = 64, sources_at_once = 64;
  const TokenRows rows{.rows = tokens, .offset = 0, .first_source = first_source};
  const DefaultDevice guard(taint_device);
  const NoGrad no_grad;
  const auto ids = empty({1, tokens}, DType::i64);
  const kernels::taint::Cells sources{kernels::Out(ids)};
  for (std::int64_t bit = 0; bit < sources_at_once; ++bit) {
    sources.depend(first_source + bit, std::uint64_t{1} << bit);
  }
  auto config = base_config();
  const auto logits = Llama(config, Precision{}).logits(ids);
  EXPECT_FALSE(look_ahead(logits.view(), 1, rows));
  const kernels::taint::Cells cells(logits.view());
  EXPECT_EQ(cells.set(63 * config.vocab_size), 0u);
  EXPECT_EQ(cells.set(64 * config.vocab_size), 1u);
  EXPECT_EQ(cells.set(66 * config.vocab_size), 0b111u);
  EXPECT_EQ(cells.set(149 * config.vocab_size), ~std::uint64_t{0});
  config.fault = "unmasked";
  const auto leaking = look_ahead(Llama(config, Precision{}).logits(ids).view(), 1, rows);
  ASSERT_TRUE(leaking);
  EXPECT_EQ(leaking->target, 0);
  EXPECT_EQ(leaking->source, 64);
}

// For the plain model, row t depends on exactly the positions up to t: the sets are no wider and no
// narrower than that.
TEST(CausalProof, ThePlainLlamaSeesExactlyTheTriangle) {
  auto config = base_config();
  const DefaultDevice guard(taint_device);
  const NoGrad no_grad;
  const Llama llama(config, Precision{});
  for (const std::int64_t tokens : {1, 7, 33, 64}) {
    const auto ids = empty({1, tokens}, DType::i64);
    const kernels::taint::Cells sources{kernels::Out(ids)};
    for (std::int64_t t = 0; t < tokens; ++t) sources.depend(t, std::uint64_t{1} << t);
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      ForwardOptions options;
      options.attention = path;
      const auto logits = llama.logits(ids, options);
      const kernels::taint::Cells cells(logits.view());
      for (std::int64_t t = 0; t < tokens; ++t) {
        const auto triangle = t == 63 ? ~std::uint64_t{0} : (std::uint64_t{2} << t) - 1;
        for (std::int64_t v = 0; v < config.vocab_size; ++v) {
          ASSERT_EQ(cells.set(t * config.vocab_size + v), triangle) << tokens << " " << t;
        }
      }
    }
  }
}

TEST(CausalProof, RefusesALengthTheModelCannotTake) {
  try {
    prove_causal(base_config(), {201});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[proof] a sequence of 201 tokens: the model takes 1 to "
                 "max_position_embeddings=200");
  }
}

}  // namespace
}  // namespace lookback
