// Gradients of batches of many rows, and of rows that end beside a tile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/reached_limits.h"
#include "nn/llama/config_file.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

std::vector<CheckResult> results_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  return diagnosis.checks;
}
CheckResult result_of(const std::string& check, const Subject& subject) {
  return results_of(check, subject).at(0);
}

TEST(GradientsOfManyRows, AreSlopesOfHealthyModels) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method5.4", "moh", "linear"}) {
    const bool routed = std::string(preset) == "moh";
    const auto all = results_of("gradients_of_many_rows", small.subject(preset));
    ASSERT_EQ(all.size(), 3U) << preset;
    for (const auto& found : all) {
      EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
      EXPECT_LT(found.value, routed ? 1e-6 : 1e-8) << preset;
    }
    EXPECT_THAT(all[0].evidence,
                HasSubstr(routed ? "2 rows of 41 tokens" : "57 rows of 72 tokens"));
    EXPECT_THAT(all[1].evidence, HasSubstr(routed ? "2 rows of 41 tokens" : "5 rows of 72 tokens"));
    EXPECT_EQ(all[2].name, "gradients of many logits");
    EXPECT_THAT(all[2].evidence,
                HasSubstr(routed ? "2 rows of 41 tokens" : "29 rows of 72 tokens"));
  }
}

// Rows of more columns than kernels take at once, and queries, keys and values beyond their limit.
TEST(GradientsOfManyRows, AreThoseOfWideRowsAndOfLimitsThatAct) {
  const SmallSubjects small;
  for (const auto* preset : {"clip-qkv", "softcap"}) {
    auto subject = small.subject(preset);
    subject.config.hidden_size = 288;
    const auto all = results_of("gradients_of_many_rows", subject);
    ASSERT_EQ(all.size(), 4U) << preset;
    EXPECT_EQ(all[2].name, "gradients of wide rows");
    for (const auto& found : all) {
      EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
      EXPECT_LT(found.value, 1e-5) << preset;
    }
  }
}

TEST(ReachedLimits, AreSmallOnesOfTheSameKind) {
  const SmallSubjects small;
  const auto plain = small.subject("llama").config;
  EXPECT_EQ(to_json(with_reached_limits(plain)), to_json(plain));
  EXPECT_FALSE(has_clamp(plain));
  const auto clipped = small.subject("clip-qkv").config;
  EXPECT_TRUE(has_clamp(clipped));
  EXPECT_THAT(to_json(clipped), HasSubstr(R"("clip_qkv": 8)"));
  EXPECT_THAT(to_json(with_reached_limits(clipped)), HasSubstr(R"("clip_qkv": 0.1)"));
  const auto capped = small.subject("softcap").config;
  EXPECT_FALSE(has_clamp(capped));
  EXPECT_THAT(to_json(with_reached_limits(capped)), HasSubstr(R"("attn_logit_softcapping": 0.04)"));
}

TEST(GradientsOfManyRows, NameTheLastParameterThatIsWrong) {
  const SmallSubjects small;
  const auto found =
      result_of("gradients_of_many_rows", small.subject("method1", "half_gradient_of_replay"));
  EXPECT_EQ(found.finding, Verdict::wrong_gradient);
  EXPECT_THAT(found.evidence, HasSubstr("self_attn.k_proj.weight: along a random direction"));
}

// Whose forward pass is another model's: that is the finding.
TEST(GradientsOfManyRows, NameALossThatIsNotTheModels) {
  const SmallSubjects small;
  const auto found = result_of("gradients_of_many_rows", small.subject("llama", "tiled_key_heads"));
  EXPECT_EQ(found.finding, Verdict::not_the_named_model);
  EXPECT_THAT(found.evidence, HasSubstr("and by plain loops"));
}

TEST(GradientsOfLongRows, AreTheSameByBothWaysOfAttending) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method2", "dcmha", "longformer"}) {
    auto subject = small.subject(preset);
    subject.config.max_position_embeddings = 258;
    const auto found = result_of("gradients_of_long_rows", subject);
    EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
    EXPECT_THAT(found.evidence, HasSubstr("34, 66, 254, 258 tokens")) << preset;
  }
}

}  // namespace
}  // namespace lookback::tests
