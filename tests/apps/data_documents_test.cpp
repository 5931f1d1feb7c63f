// What a source knows of its documents, and stories joined without what closes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "apps/data/built_in_source.h"
#include "apps/data/joined_documents.h"
#include "apps/data/story_grammar.h"
#include "apps/data/story_source.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Stories, KnowTheirDocuments) {
  const StorySource source(3, BuiltInPart::training);
  const auto batch = source.training_batch(1, 0, 4, 200);
  const auto documents = source.training_documents(1, 0, 4, 200);
  ASSERT_EQ(documents.size(), 4u * 201);
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    const auto at = i + i / 200;
    const bool ends = batch.inputs[i] == StoryGrammar::separator;
    ASSERT_EQ(documents[at + 1] - documents[at], ends ? 1 : 0);
    ASSERT_TRUE(i % 200 != 0 || documents[at] == 0);
  }
  EXPECT_GE(documents.back(), 1);
  EXPECT_EQ(source.separator(), StoryGrammar::separator);
}

// The same stories, token by token, but for the separators.
TEST(Stories, CanBeJoinedWithoutTheirSeparators) {
  const auto stories = std::make_shared<StorySource>(3, BuiltInPart::fresh);
  const JoinedDocuments joined{stories};
  EXPECT_FALSE(joined.has_floor());
  const auto same = [&](const TokenBatch& without, const TokenBatch& with) {
    for (std::size_t row = 0; row < 3; ++row) {
      std::vector<std::int64_t> expected(
          with.inputs.begin() + static_cast<std::ptrdiff_t>(row) * 400,
          with.inputs.begin() + static_cast<std::ptrdiff_t>(row + 1) * 400);
      std::erase(expected, StoryGrammar::separator);
      for (std::size_t t = 0; t < 200; ++t) {
        ASSERT_EQ(without.inputs[200 * row + t], expected[t]);
        ASSERT_EQ(without.targets[200 * row + t], expected[t + 1]);
      }
    }
  };
  same(joined.training_batch(5, 1, 3, 200), stories->training_batch(5, 1, 3, 400));
  same(joined.evaluation_batch(2, 3, 200), stories->evaluation_batch(2, 3, 400));
  const auto documents = joined.training_documents(5, 1, 3, 200);
  const auto batch = joined.training_batch(5, 1, 3, 200);
  const std::set<std::int64_t> beginnings = {
      StoryTokenizer{StoryGrammar::built_in()}.encode("Once")[0],
      StoryTokenizer{StoryGrammar::built_in()}.encode("There")[0]};
  int joints = 0;
  ASSERT_EQ(documents.size(), 3u * 201);
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    const auto at = i + i / 200;
    if (documents[at] == documents[at + 1]) continue;
    ++joints;
    EXPECT_EQ(documents[at + 1], documents[at] + 1);
    EXPECT_TRUE(beginnings.contains(batch.targets[i])) << i;
  }
  EXPECT_GE(joints, 3);
  EXPECT_THAT([] { JoinedDocuments{make_built_in_source("markov", 1, BuiltInPart::fresh)}; },
              ThrowsMessage<Error>(HasSubstr("that a token closes")));
}

}  // namespace
}  // namespace lookback
