// What ranks agree on, as threads.
#include "apps/train/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/cli/exit_code.h"
#include "tests/nn/small_llama.h"
#include "tests/runtime/ranks_as_threads.h"

namespace lookback::tests {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Ranks : public CommunicatorTest {
 protected:
  void SetUp() override { options.piece_bytes = std::size_t{1} << 20; }
};

TEST_F(Ranks, WeightsThatDifferAreFoundAndTheRankNamed) {
  const auto errors = run(3, [](Communicator& ranks) {
    const auto llama = testing::make_llama(testing::small_config(), DType::f32);
    check_same_weights(ranks, *llama, 7);
    // One bit of one weight.
    auto weights = llama->parameters()[2].tensor.detach().elements<float>();
    if (ranks.rank() == 2) weights[3] = std::nextafter(weights[3], 1e9F);
    check_same_weights(ranks, *llama, 8);
  });
  EXPECT_THAT(errors,
              Each(HasSubstr("after step 8 " + named(2) + " has other weights than " + named(0))));
}

TEST_F(Ranks, ValuesThatDifferAreNamedWithBothHosts) {
  const auto errors = run(3, [](Communicator& ranks) {
    check_common(ranks, {{"the config", "{}"}, {"--seed", "1"}});
    check_common(ranks, {{"the config", "{}"}, {"--seed", ranks.rank() == 1 ? "2" : "1"}});
  });
  EXPECT_THAT(errors, Each(HasSubstr("--seed is 2 for " + named(1) + ", and 1 for " + named(0))));
}

TEST_F(Ranks, OneThatLacksAValueIsNamedToo) {
  const auto errors = run(2, [](Communicator& ranks) {
    CommonValues values{{"--seed", "1"}, {"--gradient-lanes", "2"}};
    if (ranks.rank() == 1) values.pop_back();
    check_common(ranks, values);
  });
  EXPECT_THAT(errors, Each(HasSubstr("--gradient-lanes")));
}

TEST_F(Ranks, NumbersThatCannotShareTheLanesAreRefusedWithThoseThatCan) {
  const auto errors = run(4, [](Communicator& ranks) {
    check_rank_count(ranks, 4);
    check_rank_count(ranks, 8);
    check_rank_count(ranks, 6);
  });
  EXPECT_THAT(errors, Each(HasSubstr("4 ranks cannot share the 6 lanes of this run to the same "
                                     "bits (--gradient-lanes): 1, 3, 6 can")));
}

TEST_F(Ranks, AWishOfOneIsAWishOfAll) {
  const auto errors = run(3, [](Communicator& ranks) {
    EXPECT_EQ(agreed(ranks, {}).end, 0);
    const auto wishes =
        agreed(ranks, {.end = ranks.rank() == 2 ? 15 : 0, .checkpoint = ranks.rank() == 1});
    EXPECT_EQ(wishes.end, 15);
    EXPECT_TRUE(wishes.checkpoint);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_F(Ranks, TheStateOfTheFirstReachesAll) {
  const auto errors = run(2, [](Communicator& ranks) {
    const auto state = state_of_first(ranks, [] {
      return TrainerState{.step = 12, .seconds = 0.1, .seed = 3, .next_tokens = {4, 5}};
    });
    EXPECT_EQ(state.step, 12);
    EXPECT_EQ(state.seconds, 0.1);
    EXPECT_EQ(state.next_tokens, (std::vector<std::int64_t>{4, 5}));
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

}  // namespace
}  // namespace lookback::tests
