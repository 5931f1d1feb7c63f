// What the cases of op_case.h do not reach on a GPU: NaN, infinities and ties, integers, rows too
// long for registers, many positions of one id, bad indices.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradient.h"
#include "autograd/ops.h"
#include "runtime/error.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

using Call = std::function<Tensor(const Inputs&)>;

class CornersOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }

  // The result and all gradients, as on the CPU in f64.
  static void expect_as_on_cpu(const Call& call, const Inputs& inputs, DType dtype,
                               double bound_factor) {
    SCOPED_TRACE(std::string(name_of(dtype)));
    const OpCaseOptions options{.shapes = {}, .call = call, .reference = {}};
    const auto rounded = as_dtype(inputs, dtype);
    const auto expected = run_with_gradients(options, as_dtype(rounded, DType::f64));
    Inputs moved;
    for (const auto& x : rounded) moved.push_back(to_device(x, gpu()));
    const auto ours = run_with_gradients(options, moved);
    expect_close(to_doubles(ours.y), to_doubles(expected.y), bound_factor, ours.y.dtype());
    ASSERT_EQ(ours.gradients.size(), expected.gradients.size());
    for (std::size_t i = 0; i < ours.gradients.size(); ++i) {
      SCOPED_TRACE("gradient " + std::to_string(i));
      expect_close(to_doubles(ours.gradients[i]), to_doubles(expected.gradients[i]), bound_factor,
                   dtype);
    }
  }
};

constexpr std::array floating = {DType::f32, DType::f64, DType::bf16};

Tensor waves(const Shape& shape) {
  return make_f64(shape, [](std::int64_t i) { return 2 * std::sin(1.7 * static_cast<double>(i)); });
}

Tensor integers(const Shape& shape, const std::function<std::int64_t(std::int64_t)>& value) {
  const auto x = empty(shape, DType::i64);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<std::int64_t>()[i] = value(i);
  return x;
}

Tensor on_gpu(const std::vector<double>& values, const Shape& shape) {
  return to_device(from_values(values, shape), gpu());
}

// Rows for a warp, for a block's registers, and longer ones; in packs and not.
TEST_F(CornersOnGpu, RowsOfAnyLength) {
  for (const std::int64_t columns : {8, 1024, 1023, 2048, 8192, 8200, 8201}) {
    SCOPED_TRACE(columns);
    const auto x = waves({3, columns}), weight = waves({columns});
    for (const auto dtype : floating) {
      const double bound = 40 * std::sqrt(static_cast<double>(columns));
      expect_as_on_cpu([](const Inputs& in) { return softmax(in[0]); }, {x}, dtype, bound);
      expect_as_on_cpu([](const Inputs& in) { return log_softmax(in[0]); }, {x}, dtype, bound);
      expect_as_on_cpu([](const Inputs& in) { return rms_norm(in[0], in[1], 1e-5); }, {x, weight},
                       dtype, bound);
      expect_as_on_cpu(
          [](const Inputs& in) {
            const auto both = add_rms_norm(in[0], in[1], in[2], 1e-5);
            return stack({both.sum, both.normed}, 0);
          },
          {x, waves({3, columns}), weight}, dtype, bound);
      const auto targets = integers({3}, [=](std::int64_t r) { return r * columns / 3; });
      expect_as_on_cpu([](const Inputs& in) { return cross_entropy(in[0], in[1], {}).loss_sum; },
                       {x, targets}, dtype, bound);
    }
  }
}

// Fewer and more rows than there are parts of dweight, for warps and for blocks, in packs and not.
TEST_F(CornersOnGpu, RmsNormOfManyRows) {
  const auto expect_for = [](std::int64_t rows, std::int64_t columns, DType dtype) {
    SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(columns));
    expect_as_on_cpu([](const Inputs& in) { return rms_norm(in[0], in[1], 1e-5); },
                     {waves({rows, columns}), waves({columns})}, dtype, 600);
  };
  for (const auto dtype : floating) {
    const auto longest_of_warp = 2048 / static_cast<std::int64_t>(size_of(dtype));
    for (const std::int64_t columns : {16, 33, 1032}) expect_for(150, columns, dtype);
    for (const std::int64_t columns : {16, 17}) expect_for(9001, columns, dtype);
    for (const std::int64_t columns : {longest_of_warp, longest_of_warp + 8, std::int64_t{131}}) {
      expect_for(1100, columns, dtype);
    }
  }
}

TEST_F(CornersOnGpu, HiddenEntriesAndNaN) {
  const std::vector<double> rows = {1,         -infinity, 2,   -infinity, -infinity, -infinity,
                                    -infinity, -infinity, nan, 1,         -infinity, 2};
  const auto x = on_gpu(rows, {3, 4});
  set_requires_grad(x);
  const auto y = softmax(x);
  backward(y, on_gpu({nan, nan, 1, nan, nan, nan, nan, nan, 1, 1, nan, 1}, {3, 4}));
  const auto weights = to_doubles(y), slopes = to_doubles(gradient(x));
  for (const std::size_t hidden : {1, 3, 4, 5, 6, 7, 10}) {
    EXPECT_EQ(weights[hidden], 0) << hidden;
    EXPECT_EQ(slopes[hidden], 0) << hidden;
  }
  EXPECT_NEAR(weights[0] + weights[2], 1, 1e-12);
  for (const std::size_t unknown : {8, 9, 11}) EXPECT_TRUE(std::isnan(weights[unknown]));
  clear_gradient(x);
  const auto logarithms = log_softmax(x);
  const auto of_log = to_doubles(logarithms);
  for (const std::size_t hidden : {1, 3, 4, 5, 6, 7, 10}) EXPECT_EQ(of_log[hidden], -infinity);
  EXPECT_NEAR(of_log[0], 1 - std::log(std::exp(1) + std::exp(2)), 1e-12);
}

TEST_F(CornersOnGpu, CrossEntropyCountsAndIgnores) {
  const auto logits = on_gpu({1, 3, 3, 0, 5, 1, 2, nan, 0, 4, 4, 1}, {4, 3});
  const auto targets =
      to_device(integers({4}, [](auto r) { return r == 1 ? -100 : r % 3; }), gpu());
  const auto result = cross_entropy(logits, targets, {.count_correct = true, .keep_nats = true});
  EXPECT_EQ(result.count.item(), 3);
  EXPECT_EQ(result.correct.item(), 1);  // the last row; the first of its two largest
  const auto nats = to_doubles(result.nats);
  EXPECT_NEAR(nats[0], std::log(std::exp(-2) + 2) + 2, 1e-12);
  EXPECT_EQ(nats[1], 0);
  EXPECT_TRUE(std::isnan(nats[2]));
  EXPECT_NEAR(nats[3], std::log(2 + std::exp(-3)), 1e-12);
  EXPECT_TRUE(std::isnan(result.loss_sum.item()));
}

TEST_F(CornersOnGpu, LargestOfTiesAndNaN) {
  const auto x = on_gpu({1, nan, 3, nan, 2, 2}, {2, 3});
  for (const double value : to_doubles(max(x, {1}))) EXPECT_TRUE(std::isnan(value));
  EXPECT_EQ(to_doubles(argmax(x)), (std::vector<double>{1, 0}));
  EXPECT_EQ(to_doubles(argmax(transpose(x, 0, 1), 0)), (std::vector<double>{1, 0}));
  EXPECT_EQ(to_doubles(max(on_gpu({-infinity, -infinity}, {2}))), (std::vector<double>{-infinity}));
  const auto ties = to_device(integers({2, 3001}, [](auto i) { return i % 3001 % 7; }), gpu());
  EXPECT_EQ(to_doubles(argmax(ties)), (std::vector<double>{6, 6}));
  EXPECT_EQ(to_doubles(argmax(ties, 0)), std::vector<double>(3001, 0));
}

TEST_F(CornersOnGpu, IntegersAddUpAndMultiply) {
  const auto x = to_device(integers({40, 1000}, [](auto i) { return i - 100; }), gpu());
  EXPECT_EQ(sum(x).item(), 40000.0 * 39999 / 2 - 100 * 40000.0);
  EXPECT_EQ(to_doubles(sum(x, {1}))[1], 1000.0 * 999 / 2 + 900 * 1000.0);
  EXPECT_EQ(to_doubles(sum(x, {0}))[2], 40 * 2.0 + 1000 * 40 * 39 / 2.0 - 4000);
  EXPECT_EQ(to_doubles(multiply(x, x))[3], 97 * 97);
  const auto bytes = cast(x, DType::bf16);
  EXPECT_EQ(to_doubles(bytes)[1], -99);
}

// From every dtype to every other, densely and not.
TEST_F(CornersOnGpu, Casts) {
  constexpr std::array all = {DType::f32, DType::f64, DType::bf16, DType::i64, DType::u8};
  const auto numbers = make_f64({7, 37}, [](std::int64_t i) { return static_cast<double>(i) / 2; });
  for (const auto from : all) {
    const auto here = converted(numbers, from);
    const auto there = to_device(here, gpu());
    for (const auto to : all) {
      SCOPED_TRACE(std::string(name_of(from)) + " to " + std::string(name_of(to)));
      const auto expected = to_doubles(converted(here, to));
      EXPECT_EQ(to_doubles(converted(there, to)), expected);
      EXPECT_EQ(to_doubles(converted(scattered(there), to)), expected);
    }
  }
}

// Runs of one id that fill several windows, begin and end inside of them, and end with them.
TEST_F(CornersOnGpu, RowsThatManyPositionsPick) {
  const auto id = [](std::int64_t i) -> std::int64_t {
    if (i % 3 == 0) return 5;
    if (i % 7 == 1) return 2;
    return i % 2 == 0 ? 0 : i % 50;
  };
  for (const std::int64_t positions : {32, 64, 65, 700}) {
    for (const std::int64_t columns : {3, 16, 2056}) {
      const auto ids = integers({positions}, id), table = waves({50, columns});
      for (const auto dtype : floating) {
        expect_as_on_cpu([](const Inputs& in) { return embedding(in[0], in[1]); }, {ids, table},
                         dtype, 100);
        if (columns > 16) continue;
        expect_as_on_cpu([](const Inputs& in) { return index_select(in[0], 1, in[1]); },
                         {waves({2, 50, columns}), ids}, dtype, 100);
      }
    }
  }
}

// The same for single numbers: more picks than are looked through, in every dimension.
TEST_F(CornersOnGpu, NumbersThatManyPositionsPick) {
  const auto id = [](std::int64_t i) -> std::int64_t { return i % 5 < 3 ? 4 : i * i % 17; };
  for (const std::int64_t picks : {5, 40, 333}) {
    for (const auto dtype : floating) {
      expect_as_on_cpu([](const Inputs& in) { return gather(in[0], 1, in[1]); },
                       {waves({3, 17}), integers({3, picks}, id)}, dtype, 100);
      expect_as_on_cpu([](const Inputs& in) { return gather(in[0], 0, in[1]); },
                       {waves({17, 5}), integers({picks, 5}, id)}, dtype, 100);
      expect_as_on_cpu([](const Inputs& in) { return gather(in[0], 1, in[1]); },
                       {waves({2, 17, 3}), integers({2, picks, 3}, id)}, dtype, 100);
    }
  }
}

// One id so often that a block counts its windows more than once.
TEST_F(CornersOnGpu, OneRowThatAllPositionsPick) {
  const auto ids = integers({9000}, [](std::int64_t i) { return i == 4321 ? 0 : 1; });
  for (const std::int64_t columns : {1, 4, 5}) {
    expect_as_on_cpu([](const Inputs& in) { return embedding(in[0], in[1]); },
                     {ids, waves({3, columns})}, DType::f32, 400);
  }
  expect_as_on_cpu([](const Inputs& in) { return gather(in[0], 0, in[1]); }, {waves({3}), ids},
                   DType::f64, 400);
}

std::string error_of(const std::function<Tensor()>& call) {
  try {
    to_doubles(call());
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// With the CPU's words.
TEST_F(CornersOnGpu, BadIndicesAreNamedWhenAResultIsRead) {
  using Picking = std::function<Tensor(const Tensor& x, const Tensor& index)>;
  const auto expect_error = [](const Tensor& x, const Tensor& index, const Picking& call,
                               const std::string& message) {
    EXPECT_EQ(error_of([&] { return call(x, index); }), message);
    EXPECT_EQ(error_of([&] { return call(to_device(x, gpu()), to_device(index, gpu())); }),
              message);
  };
  const auto index = [](std::vector<std::int64_t> values, const Shape& shape) {
    return from_values(values, shape);
  };
  const auto x = waves({3, 2});
  const Picking embeds = [](const Tensor& table, const Tensor& ids) {
    return embedding(ids, table);
  };
  expect_error(x, index({0, 3, -1}, {3}), embeds,
               "[embedding] id 3 at (1,) of (3,) must be in [0, 3)");
  expect_error(x, index({0, 1, 2, 2, -7, 9}, {2, 3}), embeds,
               "[embedding] id -7 at (1, 1) of (2, 3) must be in [0, 3)");
  expect_error(waves({0, 2}), index({0}, {1}), embeds,
               "[embedding] id 0 at (0,) of (1,) must be in [0, 0)");
  expect_error(
      x, index({1, 0, -1}, {3}),
      [](const Tensor& from, const Tensor& picks) { return index_select(from, 1, picks); },
      "[index_select] index -1 at (2,) of (3,) must be in [0, 2)");
  expect_error(
      x, index({0, 1, 5, 0}, {2, 2}),
      [](const Tensor& from, const Tensor& picks) { return gather(from, 0, picks); },
      "[gather] index 5 at (1, 0) of (2, 2) must be in [0, 3)");
  const Picking entropy = [](const Tensor& logits, const Tensor& targets) {
    return cross_entropy(logits, targets, {}).loss_sum;
  };
  expect_error(x, index({0, -100, 2}, {3}), entropy,
               "[cross_entropy] target 2 at (2,) of (3,) must be in [0, 2), or -100 to be ignored");
  const auto weight = waves({4, 2});
  const Picking of_products = [&](const Tensor& rows, const Tensor& targets) {
    return linear_cross_entropy(rows, to_device(weight, rows.device()), targets).loss_sum;
  };
  expect_error(waves({2, 2, 2}), index({0, -100, 3, 4}, {2, 2}), of_products,
               "[linear_cross_entropy] target 4 at (1, 1) of (2, 2) must be in [0, 4), or -100 to "
               "be ignored");
  expect_error(x, index({0}, {1}), embeds, "none");
}

}  // namespace
}  // namespace lookback::testing
