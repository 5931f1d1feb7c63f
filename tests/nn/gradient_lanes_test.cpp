#include "nn/gradient_lanes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "runtime/random.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

class Parameters final : public Module {
 public:
  Parameters() : Module(RootModule{}) {
    register_parameter("a", zeros({3, 5}, DType::f32), Initial::constant(0));
    register_parameter("b", zeros({2}, DType::f32), Initial::constant(0));
  }
};

// Numbers of very different sizes, so that the order of additions shows.
Tensor gradient_of_lane(const Tensor& parameter, int lane) {
  const auto g = zeros(parameter.shape(), DType::f32);
  auto values = g.elements<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto x = std::sin(static_cast<double>(7 * lane) + static_cast<double>(i));
    values[i] = static_cast<float>(x * std::pow(10.0, (lane * 5 + static_cast<int>(i)) % 7));
  }
  return g;
}

std::vector<float> sum_of_lanes(int lanes) {
  const Parameters module;
  const auto parameters = module.parameters();
  GradientLanes sums(parameters);
  for (int lane = 0; lane < lanes; ++lane) {
    set_gradient(parameters[0].tensor, gradient_of_lane(parameters[0].tensor, lane));
    sums.end_lane();
    EXPECT_FALSE(gradient(parameters[0].tensor).defined());
  }
  sums.close();
  EXPECT_FALSE(gradient(parameters[1].tensor).defined());
  const auto values = gradient(parameters[0].tensor).elements<float>();
  return {values.begin(), values.end()};
}

float term(std::size_t i, int lane) {
  return gradient_of_lane(zeros({3, 5}, DType::f32), lane).elements<float>()[i];
}

TEST(GradientLanes, OfOneAreTheGradientsThemselves) {
  const auto sum = sum_of_lanes(1);
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_EQ(sum[i], term(i, 0));
}

TEST(GradientLanes, AreJoinedInTheOrderOfTheCounter) {
  const auto of = [](std::size_t i, auto... lanes) { return std::array{term(i, lanes)...}; };
  const auto six = sum_of_lanes(6);
  bool other_order_differs = false;
  for (std::size_t i = 0; i < six.size(); ++i) {
    const auto t = of(i, 0, 1, 2, 3, 4, 5);
    EXPECT_EQ(six[i], ((t[0] + t[1]) + (t[2] + t[3])) + (t[4] + t[5])) << i;
    other_order_differs =
        other_order_differs || six[i] != ((((t[0] + t[1]) + t[2]) + t[3]) + t[4]) + t[5];
  }
  EXPECT_TRUE(other_order_differs) << "the terms do not tell orders apart";
}

// A gradient that some lanes lack, and one that is seen by two parameters' owners, as the rows of a
// joint weight are: neither is written over.
TEST(GradientLanes, LeaveOutMissingOnesAndWriteOverNoneThatOthersHold) {
  const Parameters module;
  const auto parameters = module.parameters();
  const auto& [a, b] = std::pair(parameters[0].tensor, parameters[1].tensor);
  const auto held = gradient_of_lane(a, 0);
  GradientLanes sums(parameters);
  set_gradient(a, held);
  sums.end_lane();
  set_gradient(a, gradient_of_lane(a, 1));
  set_gradient(b, gradient_of_lane(b, 1));
  sums.end_lane();
  sums.close();
  EXPECT_EQ(held.elements<float>()[4], term(4, 0));
  EXPECT_EQ(gradient(a).elements<float>()[4], term(4, 0) + term(4, 1));
  EXPECT_EQ(gradient(b).elements<float>()[1], gradient_of_lane(b, 1).elements<float>()[1]);
}

}  // namespace
}  // namespace lookback::testing
