// The dependency kinds on the taint device, each against sets worked out by hand.
#include <gtest/gtest.h>

#include <limits>

#include "autograd/ops.h"
#include "kernels/core/slot.h"
#include "kernels/fill.h"
#include "kernels/taint/cells.h"

namespace lookback {
namespace {

using kernels::taint::all_offsets;
using kernels::taint::Cells;
using Sets = std::vector<std::uint64_t>;
constexpr auto infinity = std::numeric_limits<double>::infinity();

// Element i depends on source i.
Tensor sources(const Shape& shape, int first = 0, DType dtype = DType::f32) {
  const auto x = empty(shape, dtype, taint_device);
  const Cells cells{kernels::Out(x)};
  for (std::int64_t i = 0; i < x.numel(); ++i) cells.depend(i, std::uint64_t{1} << (first + i));
  return x;
}

Tensor known(const Shape& shape, double value) {
  const auto x = empty(shape, DType::f32, taint_device);
  kernels::fill(Backend::taint, {.y = x, .value = value});
  return x;
}

void become(const Tensor& x, std::int64_t element, double value) {
  Cells{kernels::Out(x)}.become(element, value);
}

Sets sets_of(const Tensor& x) {
  const Cells cells(x.view());
  Sets sets;
  for (const auto offset : all_offsets(x.view())) sets.push_back(cells.set(offset));
  return sets;
}

bool is_known(const Tensor& x, std::int64_t element, double value) {
  return Cells(x.view()).is_known(element, value);
}

TEST(Taint, FreshMemoryIsUnknownAndDependsOnNothing) {
  const auto x = empty({3}, DType::bf16, taint_device);
  EXPECT_EQ(sets_of(x), Sets({0, 0, 0}));
  EXPECT_FALSE(Cells(x.view()).known(1));
  EXPECT_THROW(static_cast<void>(empty({}, DType::f32, taint_device).item()), Error);
}

TEST(Taint, ElementwiseBroadcastsAndUnites) {
  const auto sum = sources({2, 2}) + sources({2}, 4);
  EXPECT_EQ(sets_of(sum), Sets({0b010001, 0b100010, 0b010100, 0b101000}));
}

TEST(Taint, KnownConstantsFold) {
  const auto x = sources({2});
  const auto product = x * known({2}, 0);
  EXPECT_TRUE(is_known(product, 0, 0));
  EXPECT_EQ(sets_of(product), Sets({0, 0}));
  EXPECT_EQ(sets_of(x * known({2}, 1)), Sets({1, 2}));
  EXPECT_TRUE(is_known(x + known({2}, -infinity), 1, -infinity));
  // A finite number hides nothing.
  EXPECT_EQ(sets_of(x + known({2}, -1e4)), Sets({1, 2}));
  EXPECT_TRUE(is_known(known({1}, 2) + known({1}, 3), 0, 5));
  EXPECT_TRUE(is_known(exp(known({1}, -infinity)), 0, 0));
}

TEST(Taint, ProductsLeaveOutKnownZeros) {
  const auto a = sources({2, 2});
  const auto b = sources({2, 2}, 4);
  EXPECT_EQ(sets_of(matmul(a, b)), Sets({0b01010011, 0b10100011, 0b01011100, 0b10101100}));
  become(a, 1, 0);
  EXPECT_EQ(sets_of(matmul(a, b)), Sets({0b00010001, 0b00100001, 0b01011100, 0b10101100}));
}

TEST(Taint, SoftmaxLeavesOutWhatIsKnownToBeHidden) {
  const auto x = sources({1, 3});
  become(x, 2, -infinity);
  const auto y = softmax(x);
  EXPECT_EQ(sets_of(y), Sets({0b011, 0b011, 0}));
  EXPECT_TRUE(is_known(y, 2, 0));
}

TEST(Taint, MaskedScoresAreASelect) {
  const auto y = mask_scores(sources({2, 2}), CausalMask{});
  EXPECT_EQ(sets_of(y), Sets({0b0001, 0, 0b0100, 0b1000}));
  EXPECT_TRUE(is_known(y, 1, -infinity));
}

TEST(Taint, RowsStayApart) {
  const auto weight = empty({2}, DType::f32, taint_device);
  EXPECT_EQ(sets_of(rms_norm(sources({2, 2}), weight, 1e-5)), Sets({3, 3, 12, 12}));
}

TEST(Taint, SumsUniteWhatTheyReduce) {
  EXPECT_EQ(sets_of(sum(sources({2, 2}), {0})), Sets({0b0101, 0b1010}));
  EXPECT_EQ(sets_of(sum(transpose(sources({2, 2}), 0, 1), {0})), Sets({0b0011, 0b1100}));
}

// An unknown integer may pick anything; a known one picks what it says.
TEST(Taint, GatherDependsOnTheIndex) {
  const auto table = sources({3, 1});
  const auto ids = sources({2}, 4, DType::i64);
  EXPECT_EQ(sets_of(embedding(ids, table)), Sets({0b010111, 0b100111}));
  const auto index = from_values<std::int64_t>({2, 0}, {2});
  EXPECT_EQ(sets_of(index_select(table, 0, index)), Sets({0b100, 0b001}));
}

TEST(Taint, ConcatenationKeepsEach) {
  EXPECT_EQ(sets_of(cat({sources({1, 2}), sources({1, 1}, 2)}, 1)), Sets({1, 2, 4}));
}

TEST(Taint, KernelsOfOtherBackendsRefuseCells) {
  const auto x = sources({2});
  try {
    static_cast<void>(zeros({2}, DType::f32) + x);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[add_forward] an operand lives on taint, others on cpu: move them all to one "
                 "device");
  }
}

}  // namespace
}  // namespace lookback
