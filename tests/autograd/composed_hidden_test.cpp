#include "tests/autograd/composed_hidden.h"

namespace lookback::testing {
namespace {

// Sizes of one tile and of several.
TEST(ComposedAttention, HiddenPairsAreExcluded) {
  for (const std::int64_t tokens : {13, 35}) {
    const auto inputs = drawn_for_composing({1, tokens, tokens, 2, 1, 3, 2, 1}, 1);
    for (const auto& [name, mask] : patterned_masks(2, tokens)) {
      SCOPED_TRACE(name);
      HiddenPairs(inputs, mask, cpu_device).expect_excluded(tokens > 20 ? 17 : 3);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace lookback::testing
