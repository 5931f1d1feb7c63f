#include <gtest/gtest.h>

#include <ctime>

#include "autograd/grad_mode.h"
#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/record.h"
#include "autograd/scope.h"
#include "runtime/allocator.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor number(double value) {
  return make_f64({1}, [=](std::int64_t) { return value; });
}

double value_of(const Tensor& x) { return x.item(); }

TEST(Engine, AddsUpAllUsesOfATensor) {
  const auto x = number(3);
  set_requires_grad(x);
  const auto y = add(x, x);
  backward(add(y, add(y, x)));
  EXPECT_EQ(value_of(gradient(x)), 5);
}

TEST(Engine, AccumulatesOverPassesUntilCleared) {
  const auto x = number(3);
  set_requires_grad(x);
  backward(add(x, x));
  backward(add(x, x));
  EXPECT_EQ(value_of(gradient(x)), 4);
  clear_gradient(x);
  EXPECT_FALSE(gradient(x).defined());
}

// Else leaf, gradient and graph would hold each other for ever.
TEST(Engine, AGradientThatIsTheTensorItselfIsFreed) {
  const auto before = memory_stats().live_bytes;
  {
    const auto x = number(3), c = number(4);
    set_requires_grad(x);
    const auto y = add(x, c);
    backward(y, y);
    EXPECT_EQ(value_of(gradient(x)), 7);
    clear_gradient(x);
    backward(add(x, c), x);
    EXPECT_EQ(value_of(gradient(x)), 3);
    set_gradient(c, c);
    EXPECT_EQ(value_of(gradient(c)), 4);
    set_gradient(x, y);
  }
  EXPECT_EQ(memory_stats().live_bytes, before);
}

TEST(Engine, ASecondBackwardThrowsUnlessRetained) {
  const auto x = make_f64({1, 2}, [](std::int64_t i) { return 1.0 + static_cast<double>(i); });
  const auto w = make_f64({2}, [](std::int64_t) { return 1.0; });
  set_requires_grad(x);
  const auto y = rms_norm(x, w, 1e-5);
  const auto dy = make_f64({1, 2}, [](std::int64_t) { return 1.0; });
  backward(y, dy, AfterBackward::retain);
  backward(y, dy);
  EXPECT_THROW(backward(y, dy), Error);
}

TEST(Engine, AnInPlaceWriteAfterSavingIsAnError) {
  const auto x = make_f64({1, 2}, [](std::int64_t i) { return 1.0 + static_cast<double>(i); });
  const auto w = make_f64({2}, [](std::int64_t) { return 1.0; });
  set_requires_grad(x);
  const Scope scope("model");
  const auto y = rms_norm(x, w, 1e-5);
  x.storage()->bump_version();
  try {
    backward(y, make_f64({1, 2}, [](std::int64_t) { return 1.0; }));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("rms_norm at model"), std::string::npos)
        << error.what();
  }
}

TEST(Engine, HooksSeeAndReplaceTheCompleteGradient) {
  const auto x = number(1);
  set_requires_grad(x);
  const auto y = add(x, x);
  int calls = 0;
  add_hook(y, [&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(value_of(g), 2);
    return number(10);
  });
  add_hook(x, [&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(value_of(g), 20);
    return g;
  });
  backward(add(y, y));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(value_of(gradient(x)), 20);
  EXPECT_THROW(add_hook(number(1), [](const Tensor& g) { return g; }), Error);
}

TEST(Engine, NothingIsRecordedWithoutNeed) {
  const auto x = number(1);
  EXPECT_FALSE(requires_grad(add(x, x)));
  set_requires_grad(x);
  EXPECT_TRUE(requires_grad(add(x, x)));
  const NoGrad no_grad;
  EXPECT_FALSE(requires_grad(add(x, x)));
}

TEST(Engine, AnOperationWithoutBackwardRefusesToDetach) {
  const auto x = number(1);
  no_gradient("argmax", {x});
  set_requires_grad(x);
  EXPECT_THROW(no_gradient("argmax", {x}), Error);
  const NoGrad no_grad;
  no_gradient("argmax", {x});
}

TEST(Engine, BackwardNeedsSomethingToDo) {
  EXPECT_THROW(backward(number(1)), Error);
  const auto x = make_f64({2}, [](std::int64_t) { return 1.0; });
  set_requires_grad(x);
  EXPECT_THROW(backward(add(x, x)), Error);
  EXPECT_THROW(backward(add(x, x), number(1)), Error);
}

// Of this thread's own work: the machine may be busy with other things.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_per_node(int length) {
  const double start = thread_seconds();
  {
    const auto x = number(1);
    set_requires_grad(x);
    auto y = x;
    for (int i = 0; i < length; ++i) y = add(y, x);
    backward(y);
    EXPECT_EQ(value_of(gradient(x)), length + 1);
  }
  return (thread_seconds() - start) / length;
}

TEST(Engine, AChainOfAHundredThousandNodesRunsAndIsFreed) {
  seconds_per_node(1000);
  const double small = std::min(seconds_per_node(2000), seconds_per_node(2000));
  const double large = seconds_per_node(100000);
  EXPECT_LT(large, 8 * small) << "per node: " << small << " s, then " << large << " s";
}

TEST(Engine, ALongChainIsFreedWithoutBackward) {
  const auto x = number(1);
  set_requires_grad(x);
  auto y = x;
  for (int i = 0; i < 100000; ++i) y = add(y, x);
  y = {};
  SUCCEED();
}

struct WrongBackward {
  static constexpr std::string_view name = "add";  // wears a checked operation's name
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {add(dy, dy)}; }
};

TEST(Gradcheck, SeesAWrongGradient) {
  const auto x = number(1);
  set_requires_grad(x);
  const auto wrong = [](const Inputs& in) {
    const auto y = add(in[0], number(0)).detach();
    return record<WrongBackward>(y, {in[0]}, [] { return WrongBackward{}; });
  };
  EXPECT_FALSE(gradcheck(wrong, {x}).passed);
}

TEST(Gradcheck, RefusesSinglePrecision) {
  const auto x = zeros({1}, DType::f32);
  set_requires_grad(x);
  EXPECT_THROW(gradcheck([](const Inputs& in) { return add(in[0], in[0]); }, {x}), Error);
}

}  // namespace
}  // namespace lookback::testing
