// What the second opinion says of models that are not what their config says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/diagnosis/diagnosis_check.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

class SecondOpinion : public ::testing::Test {
 protected:
  static std::vector<CheckResult> opinions(const Subject& subject) {
    Diagnosis diagnosis;
    DiagnosisChecks::make("second_opinion")->run(subject, diagnosis);
    return diagnosis.checks;
  }

  const SmallSubjects small_;
};

TEST_F(SecondOpinion, AgreesWithHealthyModels) {
  for (const auto* preset : {"llama", "method1", "method3.2", "stored3", "method5.4", "mla", "moa",
                             "dcmha", "linear", "bigbird"}) {
    auto subject = small_.subject(preset);
    subject.config.max_position_embeddings = 258;
    const auto all = opinions(subject);
    // Caches that drop tokens are of plain attention, without layers that are run again.
    const auto& name = subject.given_presets[0];
    const bool drops = name == "llama" || name == "stored3";
    ASSERT_EQ(all.size(), drops ? 6U : 4U) << preset;
    for (const auto& each : all)
      EXPECT_EQ(each.result, CheckResult::Result::passed) << preset << ": " << each.evidence;
    for (const auto& each : {all[0], all[1]}) {
      EXPECT_LT(each.value, 1e-12) << preset;
      EXPECT_THAT(each.evidence, HasSubstr("2, 17, 34, 66, 254, 258 tokens"));
    }
    if (drops) {
      EXPECT_EQ(all[2].name, "second opinion, decoding under streaming_llm");
      EXPECT_EQ(all[3].name, "second opinion, decoding under h2o");
      EXPECT_LT(std::max(all[2].value, all[3].value), 1e-12);
    }
    // Scores of 10^5 are rounded by 10^-11.
    EXPECT_LT(all.back().value, 1e-9) << preset << ": " << all.back().evidence;
  }
}

TEST_F(SecondOpinion, NamesThePlaceOfAnotherModel) {
  const auto heads = opinions(small_.subject("llama", "tiled_key_heads"));
  ASSERT_EQ(heads.size(), 4U);
  EXPECT_EQ(heads[0].finding, Verdict::not_the_named_model);
  EXPECT_THAT(heads[0].evidence, HasSubstr("model.layers.0.self_attn, in its weights: logits of"));
}

// docs/examples/decayed_scores.cpp: a scheme that somebody added.
TEST_F(SecondOpinion, SaysWhatItDoesNotKnow) {
  auto subject = small_.subject("llama");
  subject.config.score_scale = "decayed";
  const auto all = opinions(subject);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].result, CheckResult::Result::not_applicable);
  EXPECT_THAT(all[0].evidence,
              HasSubstr("score_accumulation.scale decayed is not known to the reference"));
}

}  // namespace
}  // namespace lookback::tests
