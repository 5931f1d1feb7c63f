// Gradients of batches of many rows, and of rows that end beside a tile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/diagnosis/diagnosis_check.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

CheckResult result_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  EXPECT_EQ(diagnosis.checks.size(), 1U);
  return diagnosis.checks.at(0);
}

TEST(GradientsOfManyRows, AreSlopesOfHealthyModels) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method1", "method5.4", "mla", "moh", "linear"}) {
    const auto found = result_of("gradients_of_many_rows", small.subject(preset));
    EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
    EXPECT_LT(found.value, std::string(preset) == "moh" ? 1e-6 : 1e-8) << preset;
    EXPECT_THAT(found.evidence, HasSubstr("of 2 rows of ")) << preset;
  }
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
    EXPECT_THAT(found.evidence, HasSubstr("34, 66, 258 tokens")) << preset;
  }
}

}  // namespace
}  // namespace lookback::tests
