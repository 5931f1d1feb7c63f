// Tests of all combinations of the axes, cut by their score scale: all in one test would take long.
//   TEST_P(VariantsByScale, Something) { for (... : variants_with_scale(base, GetParam())) ... }
#pragma once

#include <gtest/gtest.h>

namespace lookback::testing {

class VariantsByScale : public ::testing::TestWithParam<const char*> {};

}  // namespace lookback::testing
