#include "kernels/core/slot.h"

#include <gtest/gtest.h>

#include "kernels/binary.h"
#include "runtime/device_runtime.h"
#include "runtime/tensor.h"

namespace lookback::kernels {
namespace {

TEST(Slots, EverySlotIsFilled) {
  int slots = 0;
  for (const auto* slot = SlotBase::first(); slot != nullptr; slot = slot->next()) {
    ++slots;
    EXPECT_TRUE(slot->filled(Backend::cpu)) << slot->name << " has no kernel for the CPU";
    EXPECT_TRUE(slot->direction != Direction::forward || slot->filled(Backend::taint))
        << slot->name << ": its arguments declare no dependency kind (kernels/core/dependency.h)";
  }
  EXPECT_GT(slots, 0);
}

TEST(Slots, EverySlotIsFilledForTheGpu) {
  if (device_runtime(Backend::cuda) == nullptr) GTEST_SKIP() << "built without CUDA";
  for (const auto* slot = SlotBase::first(); slot != nullptr; slot = slot->next()) {
    EXPECT_TRUE(slot->filled(Backend::cuda)) << slot->name << " has no kernel for the GPU";
  }
}

// An operation that says nothing of its dependencies runs, but no proof goes through it.
struct Undeclared {
  In x;
  Out y;
};

TEST(Slots, AMissingKernelIsNamed) {
  const UpdateSlot<Undeclared> empty_update{"empty_update"};
  const auto x = zeros({2}, DType::f32);
  try {
    empty_update(Backend::cpu, {.x = x, .y = x});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[empty_update] this build has no kernel for backend cpu");
  }
}

TEST(Slots, AnUndeclaredDependencyIsNamed) {
  const Slot<Undeclared> undeclared_forward{"undeclared_forward"};
  EXPECT_FALSE(undeclared_forward.filled(Backend::taint));
  const auto x = zeros({2}, DType::f32, taint_device);
  try {
    undeclared_forward(Backend::taint, {.x = x, .y = x});
    FAIL();
  } catch (const UndeclaredDependency& error) {
    EXPECT_STREQ(
        error.what(),
        "[undeclared_forward] declares no dependency kind (kernels/core/dependency.h): the "
        "taint device cannot follow it");
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
