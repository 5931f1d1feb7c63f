// Which model a probe trains.
#include "apps/diagnosis/ladder.h"

#include <gtest/gtest.h>

#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

class ProbedModel : public ::testing::Test {
 protected:
  std::string size(const std::string& config, const std::string& preset,
                   std::int64_t tokens) const {
    auto choice = small_.choice(preset);
    if (!config.empty()) choice.config = config;
    return size_of(to_train(choose_subject(choice), tokens).config);
  }

  const SmallSubjects small_;
};

TEST_F(ProbedModel, IsTheSubjectsOwnWhereTwoMinutesAreEnough) {
  EXPECT_EQ(size("smoke", "llama", 600'000), "4 layers, 256 wide");
  EXPECT_EQ(size("smoke", "llama", 700'000), "3 layers, 64 wide");
  // Layers that run all earlier ones again do 2.5 times the work of 4 layers.
  EXPECT_EQ(size("smoke", "stored1", 600'000), "4 layers, 256 wide");
  EXPECT_EQ(size("smoke", "method1", 600'000), "3 layers, 64 wide");
  EXPECT_EQ(size("smoke", "method1", 240'000), "4 layers, 256 wide");
  EXPECT_EQ(size("tiny", "llama", 200'000), "3 layers, 64 wide");
}

TEST_F(ProbedModel, IsNotSmallerThanALeakNeedsToBeLearned) {
  EXPECT_EQ(size("", "llama", 1), "2 layers, 64 wide");
}

TEST_F(ProbedModel, HasFreshWeights) {
  auto choice = small_.choice("llama");
  choice.config = "smoke";
  auto subject = choose_subject(choice);
  subject.weights = subject.fresh_model();
  EXPECT_FALSE(to_train(subject, 1).has_weights());
}

}  // namespace
}  // namespace lookback::tests
