// NaN and infinity in places that some row does not see, of the kernels that go row by row.
#include "tests/gpu.h"
#include "tests/kernels/attention_hidden.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

// Of head sizes that no tile holds.
std::vector<ProblemShape> shapes() {
  return {{.rows = 35, .keys = 35, .heads = 2, .key_heads = 1, .widths = {5}, .soft_cap = 1.5},
          {.sequences = 2,
           .rows = 20,
           .keys = 20,
           .heads = 4,
           .key_heads = 2,
           .widths = {5},
           .window = 3,
           .dilations = {1, 2, 5, 2}},
          {.rows = 35,
           .keys = 35,
           .heads = 2,
           .key_heads = 1,
           .widths = {5, 3},
           .window = 2,
           .slopes = true,
           .global_keys = {0, 9},
           .random_blocks = 1,
           .block_size = 4}};
}

template <class T>
class HiddenPlacesOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};
TYPED_TEST_SUITE(HiddenPlacesOnGpu, Elements, ElementNames);

TYPED_TEST(HiddenPlacesOnGpu, AreExcluded) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    expect_hidden_is_excluded<TypeParam>(shape, gpu(), 7);
    if (this->HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::kernels
