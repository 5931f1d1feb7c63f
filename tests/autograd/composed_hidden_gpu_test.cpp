#include "tests/autograd/composed_hidden.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

TEST(ComposedAttentionOnGpu, HiddenPairsAreExcluded) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  const auto inputs = drawn_for_composing({1, 13, 13, 2, 1, 3, 2, 1}, 1);
  for (const auto& [name, mask] : patterned_masks(2, 13)) {
    SCOPED_TRACE(name);
    HiddenPairs(inputs, mask, gpu()).expect_excluded(5);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::testing
