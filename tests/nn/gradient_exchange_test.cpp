// Several ranks, as threads, against one process that holds all lanes: to the bit.
#include "nn/gradient_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "nn/gradient_lanes.h"
#include "tests/gpu.h"
#include "tests/nn/small_llama.h"
#include "tests/runtime/ranks_as_threads.h"

namespace lookback::testing {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;

// Several chunks in one parameter, chunks that are not full, parameters of one element and of none.
class Parameters final : public Module {
 public:
  Parameters() : Module(RootModule{}) {
    add("a", {3, 40000});
    add("b", {1});
    add("c", {0, 7});
    add("d", {32768});
    add("e", {70001});
    add("never", {5, 2});
  }

 private:
  void add(const char* name, const Shape& shape) {
    const auto x = register_parameter(name, zeros(shape, DType::f32), Initial::constant(0));
    auto values = x.detach().elements<float>();
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(std::cos(static_cast<double>(i)));
  }
};

// Of very different sizes, so that the order of additions shows.
Tensor gradient_of_lane(const Tensor& parameter, std::size_t which, int lane) {
  const auto g = zeros(parameter.shape(), DType::f32);
  auto values = g.elements<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto place = static_cast<int>(i + which) + 5 * lane;
    values[i] = static_cast<float>(std::sin(place) * std::pow(10.0, place % 7 - 3));
  }
  return g;
}

void set_lane(const std::vector<NamedParameter>& parameters, int lane) {
  for (std::size_t i = 0; i + 1 < parameters.size(); ++i) {
    // Not every lane reaches every parameter.
    if (i == 3 && lane % 2 == 1) continue;
    set_gradient(parameters[i].tensor, gradient_of_lane(parameters[i].tensor, i, lane));
  }
}

using Bits = std::vector<std::vector<unsigned char>>;

struct Stepped {
  Bits weights, moments;
  double norm = 0;
  std::vector<double> numbers;
};

Bits bits_of_moments(const std::vector<AdamW::State>& states) {
  Bits bits;
  for (const auto& state : states) {
    bits.push_back(bits_of(state.first_moment));
    bits.push_back(bits_of(state.second_moment));
  }
  return bits;
}

Bits bits_of_weights(const std::vector<NamedParameter>& parameters) {
  Bits bits;
  for (const auto& parameter : parameters) bits.push_back(bits_of(parameter.tensor));
  return bits;
}

double number_of_lane(int lane) { return std::sin(lane) * std::pow(10.0, 3 * lane); }

// Two steps of one process.
Stepped stepped_alone(int lanes) {
  const Parameters module;
  const auto parameters = module.parameters();
  AdamW adamw(parameters, {});
  Stepped result;
  for (int step = 0; step < 2; ++step) {
    GradientLanes sums(parameters);
    BinaryCounter<double> numbers;
    for (int lane = 0; lane < lanes; ++lane) {
      set_lane(parameters, lane + step);
      numbers.add(number_of_lane(lane), std::plus<>{});
      if (lane + 1 < lanes) sums.end_lane();
    }
    sums.close();
    const auto norm = gradient_norm_tensor(parameters);
    adamw.step(1e-2, {.scale = 0.5, .max_norm = 1, .norm = norm});
    clear_gradients(parameters);
    result.norm = norm.item();
    result.numbers = {numbers.total(std::plus<>{}), 7.0 * lanes};
  }
  result.weights = bits_of_weights(parameters);
  result.moments = bits_of_moments(adamw.states());
  return result;
}

Tensor number(double x) { return from_values<double>({x}, {}); }

// The same of one of several ranks.
Stepped stepped_on(Communicator& ranks, int lanes) {
  const Parameters module;
  const auto parameters = module.parameters();
  GradientExchange exchange(ranks, parameters);
  AdamW adamw(parameters, {}, exchange.own());
  const int share = lanes / ranks.size(), first = share * ranks.rank();
  Stepped result;
  for (int step = 0; step < 2; ++step) {
    GradientLanes sums(parameters);
    BinaryCounter<double> numbers;
    for (int lane = first; lane < first + share; ++lane) {
      set_lane(parameters, lane + step);
      numbers.add(number_of_lane(lane), std::plus<>{});
      if (lane + 1 < first + share) sums.end_lane();
    }
    // Some as they come, from the last on, as backward has them; the rest at the end.
    for (const std::size_t i : {5U, 4U, 2U}) {
      sums.close(i);
      exchange.send(i);
    }
    sums.close();
    exchange.finish_sums();
    const auto all = exchange.sum({number(numbers.total(std::plus<>{})), number(7.0 * share)});
    const auto norm = exchange.norm();
    adamw.step(1e-2, {.scale = 0.5, .max_norm = 1, .norm = norm});
    exchange.share_weights();
    clear_gradients(parameters);
    result.norm = norm.item();
    result.numbers = {all[0].item(), all[1].item()};
  }
  result.weights = bits_of_weights(parameters);
  result.moments = bits_of_moments(exchange.gather(adamw));
  return result;
}

class GradientExchangeTest : public tests::CommunicatorTest {};

TEST_F(GradientExchangeTest, HasTheBitsOfOneProcessAtEveryNumberOfRanks) {
  options.piece_bytes = std::size_t{1} << 20;
  for (const auto& [lanes, ranks] : std::vector<std::pair<int, int>>{
           {2, 2}, {3, 3}, {4, 2}, {6, 3}, {6, 6}, {8, 2}, {8, 4}, {8, 8}, {12, 3}}) {
    const auto alone = stepped_alone(lanes);
    transports.clear();
    const auto errors = run(ranks, [&, lanes = lanes](Communicator& communicator) {
      const auto here = stepped_on(communicator, lanes);
      EXPECT_EQ(here.norm, alone.norm);
      EXPECT_EQ(here.numbers, alone.numbers);
      EXPECT_TRUE(here.weights == alone.weights) << lanes << " lanes, " << communicator.size();
      if (communicator.rank() == 0)
        EXPECT_TRUE(here.moments == alone.moments) << lanes << " lanes, " << communicator.size();
      else
        EXPECT_TRUE(here.moments.empty());
    });
    EXPECT_THAT(errors, Each(IsEmpty()));
  }
}

// That the numbers tell orders apart: three ranks of two lanes each are no three lanes.
TEST_F(GradientExchangeTest, OtherLanesHaveOtherBits) {
  EXPECT_NE(stepped_alone(6).numbers, stepped_alone(1).numbers);
  EXPECT_FALSE(stepped_alone(6).weights == stepped_alone(3).weights);
}

TEST_F(GradientExchangeTest, MomentsOfRankZeroGoToTheirOwnersAndBack) {
  options.piece_bytes = std::size_t{1} << 20;
  const auto errors = run(3, [](Communicator& ranks) {
    const Parameters module;
    GradientExchange exchange(ranks, module.parameters());
    const auto whole = exchange.whole_moments();
    float next = 0;
    for (const auto& state : whole) {
      for (const auto& moment : {state.first_moment, state.second_moment})
        for (auto& value : moment.elements<float>()) value = ++next;
    }
    const auto expected = bits_of_moments(whole);
    AdamW adamw(module.parameters(), {}, exchange.own());
    exchange.scatter(whole, adamw);
    EXPECT_TRUE(bits_of_moments(exchange.gather(adamw)) == expected);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_F(GradientExchangeTest, AllRanksTakeTheWeightsOfTheFirst) {
  options.piece_bytes = std::size_t{1} << 20;
  const auto errors = run(2, [](Communicator& ranks) {
    const Parameters module;
    const auto weight = module.parameters()[1].tensor.detach();
    weight.elements<float>()[0] = static_cast<float>(ranks.rank() + 40);
    const auto version = weight.version();
    GradientExchange(ranks, module.parameters()).take_weights_of_first();
    EXPECT_EQ(weight.elements<float>()[0], 40.0F);
    EXPECT_NE(weight.version(), version);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

// Parts of very unequal parameters: every element has one owner, runs are nearly equal, and end
// where chunks do.
TEST(Shards, GiveEveryElementToOneOwner) {
  const Parameters module;
  const auto parameters = module.parameters();
  for (const int owners : {1, 2, 3, 7, 100}) {
    const Shards shards(parameters, owners);
    std::vector<std::vector<int>> owned;
    for (const auto& parameter : parameters)
      owned.emplace_back(static_cast<std::size_t>(parameter.tensor.numel()));
    for (int owner = 0; owner < owners; ++owner) {
      for (const auto& range : shards.of(owner)) {
        EXPECT_EQ(range.begin % (1 << 15), 0);
        EXPECT_TRUE(range.end % (1 << 15) == 0 ||
                    range.end == parameters[range.parameter].tensor.numel());
        for (auto i = range.begin; i < range.end; ++i)
          ++owned[range.parameter][static_cast<std::size_t>(i)];
      }
    }
    for (const auto& counts : owned) EXPECT_THAT(counts, Each(1));
  }
}

}  // namespace
}  // namespace lookback::testing
