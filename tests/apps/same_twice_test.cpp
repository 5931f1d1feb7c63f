// What two equal calls say of a model, and what becomes of a check that could not be made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/diagnosis/diagnosis_check.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

std::vector<CheckResult> results_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  return diagnosis.checks;
}

TEST(SameTwice, HoldsOfHealthyModels) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method1", "moa", "linear"}) {
    for (const auto& each : results_of("same_twice", small.subject(preset)))
      EXPECT_EQ(each.result, CheckResult::Result::passed) << preset << ": " << each.evidence;
  }
}

TEST(SameTwice, NamesTheOperationThatGivesOtherNumbers) {
  const SmallSubjects small;
  const auto found = results_of("same_twice", small.subject("llama", "noise_in_layers"));
  ASSERT_EQ(found.size(), 2U);
  for (const auto& each : found) EXPECT_EQ(each.finding, Verdict::not_deterministic);
  EXPECT_THAT(found[0].evidence, HasSubstr(" in model.layers.0: the loss differs between two"));
}

// Formats that training can run in are what rounding makes of the doubles.
TEST(NumberFormats, AreWithinRoundingOfTheSecondOpinion) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method1", "moa", "dcmha"}) {
    const auto all = results_of("number_formats", small.subject(preset));
    EXPECT_GE(all.size(), 4U) << preset;
    for (const auto& each : all) {
      // Rounding may turn what a router chooses.
      if (std::string(preset) == "moa" && each.result == CheckResult::Result::not_applicable)
        continue;
      EXPECT_EQ(each.result, CheckResult::Result::passed) << preset << ": " << each.evidence;
      EXPECT_GT(each.value, 0) << preset << ": " << each.name;
    }
  }
}

TEST(Incomplete, IsWhatAProofThatCouldNotFollowEndsAs) {
  const SmallSubjects small;
  const auto diagnosis = run_checks(small.subject("llama", "guard_on_the_host"));
  EXPECT_EQ(diagnosis.verdict(), Verdict::incomplete);
  EXPECT_EQ(diagnosis.findings(), std::vector{Verdict::incomplete});
  EXPECT_EQ(diagnosis.statement, Statement::not_refuted);
  EXPECT_THAT(diagnosis.evidence(), HasSubstr("the check \"taint\" could not be made: "));
  EXPECT_THAT(diagnosis.evidence(), HasSubstr("elements of the taint device are no numbers"));
}

// A finding says more than a check that is missing.
TEST(Incomplete, StandsBehindEveryFinding) {
  Diagnosis diagnosis;
  diagnosis.left_out("a check", "it threw");
  EXPECT_EQ(diagnosis.verdict(), Verdict::incomplete);
  diagnosis.not_applicable("another", "there is nothing");
  diagnosis.failed(Verdict::contamination, "a third", 1, 0, "all of it");
  EXPECT_EQ(diagnosis.findings(), std::vector{Verdict::contamination});
  EXPECT_EQ(diagnosis.evidence(), "all of it");
}

TEST(WrongGradient, OfAnotherModelStandsBehindThat) {
  Diagnosis diagnosis;
  diagnosis.failed(Verdict::wrong_gradient, "a slope", 1, 0, "twice as much");
  EXPECT_EQ(diagnosis.verdict(), Verdict::wrong_gradient);
  diagnosis.failed(Verdict::not_the_named_model, "logits", 1, 0, "they differ");
  EXPECT_EQ(diagnosis.findings(),
            (std::vector{Verdict::not_the_named_model, Verdict::wrong_gradient}));
  diagnosis.failed(Verdict::wrong_step, "a step", 1, 0, "no decay");
  EXPECT_EQ(diagnosis.findings(), (std::vector{Verdict::wrong_step, Verdict::wrong_gradient,
                                               Verdict::not_the_named_model}));
}

TEST(Incomplete, IsNotWhatDoesNotApply) {
  Diagnosis diagnosis;
  diagnosis.not_applicable("a check", "there is nothing");
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy);
}

}  // namespace
}  // namespace lookback::tests
