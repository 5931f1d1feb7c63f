#include "kernels/slot.h"

#include <gtest/gtest.h>

#include "kernels/add.h"
#include "runtime/tensor.h"

namespace lookback::kernels {
namespace {

TEST(Slots, EverySlotIsFilledOnTheCpu) {
  int slots = 0;
  for (const auto* slot = SlotBase::first(); slot != nullptr; slot = slot->next()) {
    ++slots;
    EXPECT_TRUE(slot->filled(Backend::cpu)) << slot->name << " has no kernel for the CPU";
  }
  EXPECT_GT(slots, 0);
}

TEST(Slots, AMissingKernelIsNamed) {
  const auto x = zeros({2}, DType::f32);
  try {
    add_forward(Backend::taint, {.a = x, .b = x, .y = x});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[add_forward] this build has no kernel for backend taint");
  }
}

TEST(Slots, AnObserverSeesInputsAndOutputs) {
  const auto x = zeros({2}, DType::f32);
  const auto y = zeros({2}, DType::f32);
  int calls = 0;
  {
    const ObserveKernels watch([&](const SlotBase& slot, const auto& inputs, const auto& outputs) {
      ++calls;
      EXPECT_EQ(slot.name, "add_forward");
      EXPECT_EQ(inputs.size(), 2u);
      ASSERT_EQ(outputs.size(), 1u);
      EXPECT_EQ(outputs[0].data, y.raw_data());
    });
    add_forward(Backend::cpu, {.a = x, .b = x, .y = y});
  }
  add_forward(Backend::cpu, {.a = x, .b = x, .y = y});
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace lookback::kernels
