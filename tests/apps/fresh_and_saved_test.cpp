// Checks of what stands around a model: its initial weights, how tokens are picked from its logits,
// and its files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/initial_weights.h"
#include "apps/diagnosis/sampling_frequencies.h"
#include "apps/diagnosis/scratch_folder.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::vector<CheckResult> results_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  return diagnosis.checks;
}

void expect_passed(const std::string& check, const Subject& subject, const std::string& what) {
  for (const auto& found : results_of(check, subject)) {
    EXPECT_EQ(found.result, CheckResult::Result::passed)
        << what << ", " << found.name << ": " << found.evidence;
  }
}

constexpr auto presets = {"llama",         "method3.2", "method5.5", "stored3",      "moa",
                          "moh",           "mla",       "dcmha",     "linear",       "bigbird",
                          "collaborative", "mohsa",     "alibi",     "qk-layer-norm"};

TEST(InitialWeights, AreThoseThatWereAskedFor) {
  const SmallSubjects small;
  for (const auto* preset : presets) {
    for (const std::uint64_t seed : {0, 1, 2})
      expect_passed("initial_weights", small.subject(preset, "", seed), preset);
  }
  auto subject = small.subject("llama");
  subject.config.tie_word_embeddings = false;
  subject.config.attention_bias = subject.config.mlp_bias = true;
  subject.config.initializer_range = 0.2;
  expect_passed("initial_weights", subject, "biases");
  subject.config.vocab_size = 2;
  subject.config.num_hidden_layers = 1;
  expect_passed("initial_weights", subject, "a vocabulary of 2");
}

class ChangedWeights : public ::testing::Test {
 protected:
  std::span<float> weights(const std::string& name) {
    for (const auto& parameter : llama_->parameters()) {
      if (parameter.name == name) return parameter.tensor.elements<float>();
    }
    return {};
  }
  CheckResult spread() const {
    Diagnosis diagnosis;
    hold_to_their_spread(*llama_, diagnosis);
    return diagnosis.checks.at(1);
  }
  CheckResult numbers() const {
    Diagnosis diagnosis;
    hold_to_their_spread(*llama_, diagnosis);
    return diagnosis.checks.at(0);
  }
  CheckResult apart() const {
    Diagnosis diagnosis;
    hold_apart(*llama_, diagnosis);
    return diagnosis.checks.at(0);
  }

  const SmallSubjects small_;
  const std::unique_ptr<Llama> llama_ = small_.subject("llama").fresh_model();
};

constexpr auto up = "model.layers.1.mlp.up_proj.weight",
               gate = "model.layers.0.mlp.gate_proj.weight";

TEST_F(ChangedWeights, AnotherSpreadIsNamed) {
  for (float& each : weights(up)) each *= 1.15F;
  EXPECT_EQ(spread().finding, Verdict::not_the_named_model);
  EXPECT_THAT(spread().evidence, MatchesRegex("model.layers.1.mlp.up_proj.weight has a standard "
                                              "deviation of 0.02[23].*, and 0.02 was asked for.*"));
}

TEST_F(ChangedWeights, AnotherMeanIsNamed) {
  for (float& each : weights(up)) each += 0.004F;
  EXPECT_THAT(spread().evidence, HasSubstr("model.layers.1.mlp.up_proj.weight has a mean of 0.00"));
}

TEST_F(ChangedWeights, AnotherDistributionIsNamed) {
  for (float& each : weights(up)) each = each > 0 ? 0.02F : -0.02F;
  EXPECT_THAT(spread().evidence, HasSubstr("within one standard deviation, and a normal"));
}

TEST_F(ChangedWeights, AGainThatIsNotOneIsNamed) {
  weights("model.layers.0.input_layernorm.weight")[3] = 0.5F;
  EXPECT_EQ(numbers().finding, Verdict::not_the_named_model);
  EXPECT_THAT(numbers().evidence,
              HasSubstr("model.layers.0.input_layernorm.weight has 0.5 at place 3, and 1 was asked "
                        "for"));
}

TEST_F(ChangedWeights, TensorsThatShareWhatWasDrawnAreNamed) {
  std::ranges::copy(weights(gate), weights(up).begin());
  EXPECT_EQ(apart().finding, Verdict::not_the_named_model);
  EXPECT_THAT(apart().evidence,
              HasSubstr("model.layers.1.mlp.up_proj.weight holds, from its number "
                        "0, the random numbers of model.layers.0.mlp.gate_proj"));
}

TEST_F(ChangedWeights, TensorsThatShareAPartAreNamed) {
  std::ranges::copy(weights(gate).first(100), weights(up).begin() + 300);
  EXPECT_THAT(apart().evidence,
              HasSubstr("model.layers.1.mlp.up_proj.weight holds, from its number "
                        "300, the random numbers of model.layers.0.mlp.gate"));
}

TEST_F(ChangedWeights, OneSeedForTwoIsNamed) {
  Diagnosis diagnosis;
  hold_apart(*llama_, 7, *small_.subject("llama").fresh_model(), 8, diagnosis);
  EXPECT_EQ(diagnosis.checks.at(0).finding, Verdict::not_the_named_model);
  EXPECT_THAT(diagnosis.checks.at(0).evidence, HasSubstr(" with seed 8 is model."));
}

TEST(Sampling, FollowsTheSoftmax) {
  const SmallSubjects small;
  for (const auto* preset : presets) expect_passed("sampling", small.subject(preset), preset);
  for (const std::uint64_t seed : {1, 2, 3, 4, 5})
    expect_passed("sampling", small.subject("llama", "", seed), "llama");
  // Of a cache that is wrong another check speaks.
  for (const auto* fault : {"late_cache", "rope_starts_over"})
    expect_passed("sampling", small.subject("llama", fault), fault);
  auto subject = small.subject("llama");
  subject.config.vocab_size = 2;
  expect_passed("sampling", subject, "a vocabulary of 2");
}

// Draws with these options, held against others.
double off(const SamplingOptions& wanted, const SamplingOptions& used) {
  Sampler sampler(used);
  return draw(wanted, 10000, [&](auto logits) { return sampler.pick(logits); }).of_bound;
}

TEST(Sampling, OfAnotherDistributionIsSeen) {
  const SamplingOptions half{.temperature = 0.5}, cut{.top_k = 3}, most{.top_p = 0.7};
  EXPECT_LT(off(half, half), 1);
  EXPECT_LT(off(cut, cut), 1);
  EXPECT_LT(off(most, most), 1);
  EXPECT_GT(off(half, {.temperature = 2}), 1);
  EXPECT_GT(off({}, {.temperature = 0.8}), 1);
  EXPECT_EQ(off(cut, {.top_k = 4}), HUGE_VAL);
  EXPECT_GT(off(cut, {.top_k = 2}), 1);
  EXPECT_EQ(off(most, {.top_p = 0.9}), HUGE_VAL);
  EXPECT_EQ(draw(cut, 100, [](auto) { return 2; }).of_bound, HUGE_VAL);
  EXPECT_EQ(draw(cut, 100, [](auto) { return 2; }).evidence,
            "temperature 1, top-k 3: of 100 draws 100 are token 2, and its share is 0");
}

TEST(SavedAndLoaded, AreTheSame) {
  const SmallSubjects small;
  for (const auto* preset : presets)
    expect_passed("saved_and_loaded", small.subject(preset), preset);
  auto subject = small.subject("llama");
  subject.config.tie_word_embeddings = false;
  subject.config.attention_bias = true;
  expect_passed("saved_and_loaded", subject, "biases");
  // Of a tying that a load parts another check speaks.
  expect_passed("saved_and_loaded", small.subject("llama", "tying_broken_on_load"), "a fault");
}

TEST(ScratchFolder, LeavesNoTrace) {
  std::filesystem::path path;
  {
    const ScratchFolder folder;
    path = folder.path();
    write_text(folder.fresh("model") / "file", "text");
    EXPECT_TRUE(std::filesystem::exists(path / "model" / "file"));
    EXPECT_NE(ScratchFolder().path(), path);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace lookback::tests
