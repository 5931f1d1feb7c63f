// What must hold between attention mechanisms: one in the limit is another.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/copy.h"
#include "kernels/fill.h"
#include "nn/layer/head_options.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

using Json = nlohmann::json;

Tensor logits_of(const Llama& llama) { return llama.logits(some_ids(2, 9, 13)); }

// Gives `to` the parameters of `from` that it has under the same name and shape.
void copy_parameters(const Llama& from, const Llama& to) {
  const auto source = by_name(from);
  for (const auto& [name, tensor] : by_name(to)) {
    const auto found = source.find(name);
    if (found == source.end() || found->second.shape() != tensor.shape()) continue;
    kernels::copy_forward(tensor.backend(), {.x = found->second, .y = tensor});
  }
}

// A model of this attention with the plain attention's parameters as far as they go.
std::unique_ptr<Llama> like_plain(const Llama& plain, const Json& attention,
                                  const Json& more = Json::object()) {
  auto llama = make_variant(with_attention(attention, more));
  copy_parameters(plain, *llama);
  return llama;
}

// An option at a value that is out of reach changes nothing; within reach it does.
TEST(AttentionEqualities, OptionsOutOfReachChangeNothing) {
  const auto plain = make_variant(with_attention(Json::object()));
  const auto expected = logits_of(*plain);
  const auto difference = [&](const Json& attention) {
    return largest_difference(logits_of(*like_plain(*plain, attention)), expected);
  };
  EXPECT_EQ(difference({{"clip_qkv", 1e9}}), 0);
  EXPECT_GT(difference({{"clip_qkv", 1e-2}}), 1e-6);
  EXPECT_LT(difference({{"attn_logit_softcapping", 1e7}}), 1e-12);
  EXPECT_GT(difference({{"attn_logit_softcapping", 0.1}}), 1e-6);
  EXPECT_EQ(difference({{"softmax_scale", 0.5}}), 0);
  EXPECT_GT(difference({{"softmax_scale", 2}}), 1e-6);
  EXPECT_GT(difference({{"position_embedding_type", "none"}}), 1e-6);
  EXPECT_GT(difference({{"position_embedding_type", "alibi"}}), 1e-6);
}

// By hand, from the paper's examples.
TEST(AttentionEqualities, AlibiSlopes) {
  const auto eight = alibi_slopes(8, 8);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(eight[i], std::exp2(-static_cast<double>(i + 1)));
  EXPECT_EQ(alibi_slopes(1, 8), (std::vector<double>{std::exp2(-8)}));
  const auto three = alibi_slopes(3, 8);  // of 4: 1/4, 1/16, 1/64, 1/256
  EXPECT_EQ(three, (std::vector<double>{1.0 / 16, 1.0 / 256, 1.0 / 4}));
}

TEST(AttentionEqualities, HeadsThatDoNotOverlapArePlain) {
  const auto plain = make_variant(with_attention(Json::object()));
  const auto apart = like_plain(*plain, {{"type", "mohsa"}, {"overlap_dim", 0}});
  EXPECT_EQ(largest_difference(logits_of(*apart), logits_of(*plain)), 0);
}

// Overlapping heads are plain heads of width dk + 2p whose rows repeat those of their neighbors.
TEST(AttentionEqualities, OverlappingHeadsArePlainOnesWithGatheredRows) {
  constexpr std::int64_t heads = 4, width = 4, overlap = 1, wide = width + 2 * overlap;
  const auto narrow = make_variant(with_attention({{"type", "mohsa"}, {"overlap_dim", overlap}}));
  const auto gathered = like_plain(*narrow, Json::object(), {{"head_dim", wide}});
  const auto from = by_name(*narrow), to = by_name(*gathered);
  for (const auto* layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    for (const auto* projection : {"q_proj.weight", "k_proj.weight", "v_proj.weight"}) {
      const auto source = from.at(std::string(layer) + projection).elements<double>();
      const auto& target = to.at(std::string(layer) + projection);
      const auto columns = target.size(1);
      const auto rows = target.elements<double>();
      for (std::int64_t row = 0; row < heads * wide; ++row) {
        const auto taken = row / wide * width + row % wide - overlap;
        for (std::int64_t column = 0; column < columns; ++column) {
          const bool outside = taken < 0 || taken >= heads * width;
          rows[static_cast<std::size_t>(row * columns + column)] =
              outside ? 0 : source[static_cast<std::size_t>(taken * columns + column)];
        }
      }
    }
  }
  EXPECT_LT(largest_difference(logits_of(*narrow), logits_of(*gathered)), 1e-13);
}

// All columns shared, and a mixing matrix that gives each head its own: multi-head attention.
TEST(AttentionEqualities, SharedColumnsMixedByHeadArePlain) {
  for (const auto* positions : {"rope", "none", "alibi"}) {
    const auto plain = make_variant(with_attention({{"position_embedding_type", positions}}));
    auto config = with_attention(
        {{"type", "collaborative"}, {"key_query_dim", 16}, {"position_embedding_type", positions}});
    const auto fresh = make_llama(config);
    copy_parameters(*plain, *fresh);
    EXPECT_LT(largest_difference(logits_of(*fresh), logits_of(*plain)), 1e-13) << positions;
  }
}

// With ones in it, every head has the same scores.
TEST(AttentionEqualities, AMixingOfOnesIsOneScoreMatrix) {
  const auto llama =
      make_variant(with_attention({{"type", "collaborative"}, {"key_query_dim", 8}}));
  for (const auto& [name, tensor] : by_name(*llama)) {
    if (name.ends_with("mixing")) kernels::fill(tensor.backend(), {.y = tensor, .value = 1});
  }
  Trace trace;
  static_cast<void>(llama->logits(some_ids(1, 6, 13), {.trace = &trace}));
  for (const auto& weights : trace.attention_weights) {
    const auto all = weights.elements<double>();
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], all[i % 36], 1e-15);
  }
}

}  // namespace
}  // namespace lookback::testing
