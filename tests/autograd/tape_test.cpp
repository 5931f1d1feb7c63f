// Looking at a tape, and hooks on all that a module ran.
#include "autograd/tape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/sum.h"
#include "autograd/ops/unary.h"
#include "autograd/scope.h"

namespace lookback::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Tensor leaf(double value) {
  const auto x = from_values(std::vector<double>{value}, {1});
  set_requires_grad(x);
  return x;
}

// y = exp(2 x) in mlp, z = 3 y in mlp.down, the sum of z and x outside.
Tensor small_tape(const Tensor& x) {
  const auto y = [&] {
    const Scope scope("mlp");
    const auto e = exp(x * 2.0);
    const Scope below("down");
    return e * 3.0;
  }();
  const Scope scope("mlp2");
  return sum(y + x);
}

std::vector<std::string> names_of(const Tensor& x) {
  std::vector<std::string> names;
  for (const auto& node : nodes_behind(x)) {
    if (!node->is_leaf()) names.emplace_back(node->name());
  }
  return names;
}

TEST(Tape, ListsWhatAResultCameFromInOrder) {
  const auto x = leaf(0.5);
  const auto loss = small_tape(x);
  const auto nodes = nodes_behind(loss);
  ASSERT_EQ(nodes.size(), names_of(loss).size() + 1);
  EXPECT_TRUE(nodes.front()->is_leaf());
  EXPECT_EQ(names_of(loss).back(), "sum");
  for (std::size_t i = 2; i < nodes.size(); ++i) {
    EXPECT_LT(nodes[i - 1]->sequence, nodes[i]->sequence);
  }
  EXPECT_THAT(nodes_behind(from_values(std::vector<double>{1}, {1})), IsEmpty());
}

TEST(Tape, AModulesHookSeesItsOperationsAndNoOthers) {
  const auto x = leaf(0.5);
  const auto loss = small_tape(x);
  std::vector<std::pair<std::string, double>> seen;
  hook_module(loss, "mlp", [&](const Node& node, const Tensor& gradient) {
    seen.emplace_back(*node.scope, gradient.item());
  });
  backward(loss);
  // d loss / d (3 e) = 1, d / d e = 3, d / d (2 x) = 3 exp(1); not those of mlp2.
  EXPECT_THAT(seen, ElementsAre(Pair("mlp.down", 1.0), Pair("mlp", 3.0),
                                Pair("mlp", ::testing::DoubleNear(3 * std::exp(1.0), 1e-12))));
  EXPECT_NEAR(gradient(x).item(), 6 * std::exp(1.0) + 1, 1e-12);
}

TEST(Tape, AModuleThatRanNothingIsAnError) {
  const auto loss = small_tape(leaf(1));
  try {
    hook_module(loss, "mlp.dwn", [](const Node&, const Tensor&) {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("no operation ran in \"mlp.dwn\"; the nearest is mlp.down"));
  }
}

}  // namespace
}  // namespace lookback::testing
