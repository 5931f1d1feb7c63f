// docs/variants.md's example of a new score scheme: it is what the text shows, and it works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/gradcheck.h"
#include "kernels/fill.h"
#include "nn/layer/preset.h"
#include "runtime/read_file.h"
#include "tests/autograd/op_case.h"
#include "tests/nn/small_llama.h"
#include "tests/paths.h"

namespace lookback::testing {
namespace {

LlamaConfig config_with(std::string scale) {
  auto config = small_config();
  config.num_hidden_layers = 3;
  config.score_scale = std::move(scale);
  return config;
}

TEST(VariantExample, IsWhatTheTextShows) {
  const auto text = read_file(tests::source_directory() / "docs/variants.md", "test");
  const auto file =
      read_file(tests::source_directory() / "docs/examples/decayed_scores.cpp", "test");
  EXPECT_THAT(text, ::testing::HasSubstr("```cpp\n" + file + "```\n"));
}

TEST(VariantExample, ItsPresetIsThere) {
  EXPECT_THAT(find_preset("decayed-scores").config.for_model({}),
              ::testing::HasSubstr("\"decayed\""));
}

// Values of the same seed and name are the same in both models.
TEST(VariantExample, WithoutDecayItIsMethod51) {
  const auto decayed = make_llama(config_with("decayed"));
  const auto plain = make_llama(config_with("sqrt_dk"));
  const auto ids = some_ids(2, 7, 13);
  const auto expected = to_doubles(plain->logits(ids));
  EXPECT_NE(to_doubles(decayed->logits(ids)), expected);
  for (const auto& [name, tensor, initial] : decayed->parameters()) {
    if (!name.ends_with("decay")) continue;
    kernels::fill(tensor.backend(), {.y = tensor, .value = 0});
  }
  const auto logits = to_doubles(decayed->logits(ids));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-12);
}

TEST(VariantExample, ItsGradientsPassTheCheck) {
  const auto llama = make_llama(config_with("decayed"));
  const auto ids = some_ids(1, 4, 13);
  const auto targets = next_token_targets(ids);
  std::vector<Tensor> decays;
  for (const auto& parameter : llama->parameters()) {
    if (parameter.name.ends_with("decay")) decays.push_back(parameter.tensor);
  }
  ASSERT_EQ(decays.size(), 3u);
  const auto loss = [&](const Inputs&) { return llama->loss(ids, targets).loss_sum; };
  const auto result = gradcheck(loss, decays);
  EXPECT_TRUE(result.passed) << result.message;
}

}  // namespace
}  // namespace lookback::testing
