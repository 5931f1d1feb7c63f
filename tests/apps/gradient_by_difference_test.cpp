// What difference quotients of the second opinion say of gradients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/test_subjects.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

CheckResult slopes_of(const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make("gradient_by_difference")->run(subject, diagnosis);
  return diagnosis.checks.at(0);
}

TEST(GradientByDifference, IsThatOfBackward) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method1", "method3.2", "method4.2", "stored3", "method5.4",
                             "method5.5", "mla", "collaborative", "mohsa", "moh", "moa", "dcmha",
                             "linear", "bigbird", "softcap", "alibi", "qk-layer-norm"}) {
    for (const std::uint64_t seed : {0, 1, 2}) {
      const auto found = slopes_of(small.subject(preset, "", seed));
      EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
      EXPECT_LT(found.value, 2e-5) << preset;
    }
  }
}

// Two experts of a token are nearly equal: with steps of 3e-4 the choice turns along either of the
// first two directions.
TEST(GradientByDifference, TriesSmallerStepsWhereAChoiceTurns) {
  for (const auto& [preset, seed] : {std::pair{"moa", 10}, {"moa", 26}, {"moh", 14}, {"moh", 21}}) {
    const auto subject = subject_of_test(test_subjects({preset}).at(0), seed, Weights::fresh);
    const auto found = slopes_of(subject);
    EXPECT_EQ(found.result, CheckResult::Result::passed) << preset << ": " << found.evidence;
  }
}

// Whose forward pass is the healthy one.
TEST(GradientByDifference, FindsOnesThatAreNot) {
  const SmallSubjects small;
  const auto dropped = slopes_of(small.subject("method3.2", "unregistered_parameter"));
  EXPECT_EQ(dropped.finding, Verdict::wrong_gradient);
  EXPECT_THAT(dropped.evidence,
              HasSubstr("model.layers.1.modified_residual_mlp.layer_weights: along a random"));
  EXPECT_THAT(dropped.evidence, HasSubstr("says 0: a use is missing"));
}

TEST(GradientByDifference, SaysNothingOfAnotherForwardPass) {
  const SmallSubjects small;
  const auto found = slopes_of(small.subject("llama", "tiled_key_heads"));
  EXPECT_EQ(found.result, CheckResult::Result::left_out);
  EXPECT_THAT(found.evidence, HasSubstr("the loss is not that of the reference"));
}

}  // namespace
}  // namespace lookback::tests
