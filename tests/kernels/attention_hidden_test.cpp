// NaN and infinity in every place that some row does not see, forward and backward.
#include "tests/kernels/attention_hidden.h"

namespace lookback::kernels {
namespace {

const std::vector<ProblemShape>& shapes() {
  static const std::vector<ProblemShape> all{
      {.rows = 66, .keys = 66, .heads = 2, .key_heads = 1, .widths = {3}, .value_width = 2},
      {.sequences = 2, .rows = 11, .keys = 16, .heads = 2, .offset = 5, .window = 5},
      {.rows = 15, .keys = 15, .heads = 2, .key_heads = 1, .documents = true, .soft_cap = 1.5},
      {.sequences = 2,
       .rows = 17,
       .keys = 17,
       .heads = 4,
       .key_heads = 2,
       .window = 3,
       .dilations = {1, 2, 5, 2}},
      {.rows = 20, .keys = 20, .heads = 2, .key_heads = 1, .window = 4, .dilations = {3, 3}},
      {.rows = 17,
       .keys = 17,
       .heads = 2,
       .key_heads = 1,
       .window = 2,
       .soft_cap = 1.5,
       .slopes = true,
       .global_keys = {0, 9}},
      {.rows = 18,
       .keys = 18,
       .heads = 2,
       .widths = {5, 3},
       .window = 1,
       .random_blocks = 2,
       .block_size = 4},
      {.rows = 5, .keys = 40, .heads = 2, .offset = 35, .window = 6, .scattered_keys = true}};
  return all;
}

template <class T>
class HiddenPlaces : public ::testing::Test {};
TYPED_TEST_SUITE(HiddenPlaces, Elements, ElementNames);

TYPED_TEST(HiddenPlaces, AreExcluded) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    expect_hidden_is_excluded<TypeParam>(shape, cpu_device, shape.keys > 20 ? 13 : 4);
    if (this->HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::kernels
