#include "tests/nn/variants_by_scale.h"

#include <array>
#include <set>

#include "tests/nn/variants.h"

namespace lookback::testing {
namespace {

constexpr std::array tried_scales{
    "",         "sqrt_dk",   "sqrt_dk_sqrt_m",  "sqrt_dk_m",       "power",
    "power_dk", "per_layer", "per_layer_share", "per_layer_power", "per_layer_free",
};

TEST(Variants, EveryScaleIsTried) {
  std::set<std::string> tried(tried_scales.begin(), tried_scales.end());
  tried.erase("");
  const auto scales = score_scales();
  EXPECT_EQ(tried, std::set<std::string>(scales.begin(), scales.end()));
}

INSTANTIATE_TEST_SUITE_P(Scale, VariantsByScale, ::testing::ValuesIn(tried_scales),
                         [](const auto& test) -> std::string {
                           return *test.param == '\0' ? "none" : test.param;
                         });

}  // namespace
}  // namespace lookback::testing
