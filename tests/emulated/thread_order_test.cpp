// Every operation, with the threads of the emulated GPU taking their turns in other orders: the
// same bits. A barrier that is missing, or a sum whose order is left to chance, shows here.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/cuda/emulated/run_grid.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

using device::emulated::Order;
using device::emulated::RunInOrder;

std::vector<std::vector<unsigned char>> bits(const OpCaseOptions& options, const Inputs& inputs,
                                             Order order) {
  const RunInOrder turns(order);
  const auto result = run_with_gradients(options, inputs);
  std::vector<std::vector<unsigned char>> all = {bits_of(result.y)};
  for (const auto& gradient : result.gradients) all.push_back(bits_of(gradient));
  return all;
}

void expect_the_same_bits(const OpCaseOptions& options, const Shapes& shapes) {
  SCOPED_TRACE(to_string(shapes[0]));
  Inputs inputs;
  for (const auto& x : as_dtype(drawn_inputs(options, shapes, 1), options.dtypes.back())) {
    inputs.push_back(to_device(x, gpu()));
  }
  const auto forwards = bits(options, inputs, Order::forwards);
  EXPECT_EQ(bits(options, inputs, Order::backwards), forwards);
  EXPECT_EQ(bits(options, inputs, Order::shuffled), forwards);
}

class ThreadOrder : public ::testing::TestWithParam<const OpCase*> {};

TEST_P(ThreadOrder, LeavesTheBitsAlone) {
  const auto& options = GetParam()->options;
  for (const auto& shapes : options.shapes) expect_the_same_bits(options, shapes);
}

// Rows for whole blocks, in packs and not, in registers and too long for them.
TEST(EmulatedLongRows, HaveTheSameBitsInAnyOrder) {
  const auto expect_for = [](const std::string& name, const Shapes& shapes) {
    SCOPED_TRACE(name);
    const auto& all = OpCase::all();
    const auto found = std::ranges::find(all, name, &OpCase::name);
    ASSERT_NE(found, all.end());
    expect_the_same_bits((*found)->options, shapes);
  };
  for (const std::int64_t columns : {2048, 8192, 8200, 8201}) {
    for (const auto* name : {"softmax", "log_softmax", "sum/last", "max/last"}) {
      expect_for(name, {{3, columns}});
    }
    expect_for("rms_norm", {{70, columns}, {columns}});
    expect_for("add_rms_norm", {{2, columns}, {2, columns}, {columns}});
    expect_for("cross_entropy", {{2, columns}, {2}});
  }
}

INSTANTIATE_TEST_SUITE_P(Emulated, ThreadOrder, ::testing::ValuesIn(OpCase::all()),
                         [](const ::testing::TestParamInfo<const OpCase*>& instance) {
                           return test_name(*instance.param);
                         });

}  // namespace
}  // namespace lookback::testing
