// Every test subject gets its own verdict: the healthy presets, fresh and after 50 steps, and every
// known mistake.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "apps/diagnosis/test_subjects.h"
#include "tests/nn/variants.h"

namespace lookback::tests {
namespace {

class DiagnosisOfTestSubjects : public ::testing::TestWithParam<TestSubject> {};

TEST_P(DiagnosisOfTestSubjects, IsTheirVerdict) {
  const lookback::testing::OneThread one_thread;
  // Fifty seeds take hours: `lookback diagnose --table --seeds 50`.
  const auto result = diagnose_with_seeds(GetParam(), 1);
  EXPECT_EQ(result.right, result.diagnoses) << table_of({result});
  EXPECT_EQ(result.diagnoses, GetParam().expected == Verdict::healthy ? 2 : 1);
  EXPECT_FALSE(result.place.empty());
}

std::string name_of(const ::testing::TestParamInfo<TestSubject>& info) {
  auto name = info.param.name;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, DiagnosisOfTestSubjects, ::testing::ValuesIn(all_test_subjects()),
                         name_of);

}  // namespace
}  // namespace lookback::tests
