// Every operation, with the threads of the emulated GPU taking their turns in other orders: the
// same bits. A barrier that is missing, or a sum whose order is left to chance, shows here.
#include <gtest/gtest.h>

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

class ThreadOrder : public ::testing::TestWithParam<const OpCase*> {};

TEST_P(ThreadOrder, LeavesTheBitsAlone) {
  const auto& options = GetParam()->options;
  for (const auto& shapes : options.shapes) {
    SCOPED_TRACE(to_string(shapes[0]));
    const auto dtype = options.dtypes.back();
    Inputs inputs;
    for (const auto& x : as_dtype(drawn_inputs(options, shapes, 1), dtype)) {
      inputs.push_back(to_device(x, gpu()));
    }
    const auto forwards = bits(options, inputs, Order::forwards);
    EXPECT_EQ(bits(options, inputs, Order::backwards), forwards);
    EXPECT_EQ(bits(options, inputs, Order::shuffled), forwards);
  }
}

INSTANTIATE_TEST_SUITE_P(Emulated, ThreadOrder, ::testing::ValuesIn(OpCase::all()),
                         [](const ::testing::TestParamInfo<const OpCase*>& instance) {
                           return test_name(*instance.param);
                         });

}  // namespace
}  // namespace lookback::testing
