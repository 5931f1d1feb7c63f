// Kernels that keep to what their operation declares, and kernels that do not.
#include "apps/diagnosis/kernel_contracts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/slot.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using Kind = BrokenContract::Kind;

constexpr std::int64_t rows = 2, tokens = 66, width = 3;

// y = x, position by position, is what it says.
struct Copied {
  kernels::In x;
  kernels::Out y, scratch;
  static constexpr auto dependency = kernels::elementwise(&Copied::y, &Copied::x);
};

// Calls `kernel` on [rows, tokens, width], as an operation of a model would.
KernelContracts hold(void (*kernel)(const Copied&), const Shape& shape = {rows, tokens, width}) {
  kernels::Slot<Copied> slot{"copied_forward"};
  slot.at(Backend::cpu) = kernel;
  const auto x = empty(shape, DType::f32), y = empty_like(x), scratch = empty_like(x);
  auto numbers = x.elements<float>();
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i) / 7;
  const auto found = hold_calls_to_contracts(
      [&] { slot(Backend::cpu, {.x = x, .y = y, .scratch = scratch}); }, rows, tokens);
  // What the call has left is put back.
  EXPECT_EQ(x.elements<float>()[5], 5.0F / 7);
  return found;
}

std::int64_t at(std::int64_t row, std::int64_t position, std::int64_t column = 0) {
  return (row * tokens + position) * width + column;
}

void copy(const Copied& a) {
  std::copy_n(a.x.as<float>(), rows * tokens * width, a.y.as<float>());
  std::copy_n(a.x.as<float>(), rows * tokens * width, a.scratch.as<float>());
}

TEST(KernelContracts, HoldForAKernelThatKeepsToThem) {
  const auto found = hold(copy);
  EXPECT_FALSE(found.broken) << found.broken->describe();
  EXPECT_EQ(found.calls, 1);
  EXPECT_GT(found.changes, 10);
}

// The last row of a block of 64 sees a little of the next one.
TEST(KernelContracts, NameAKernelThatLooksAheadAtOneTileEdge) {
  const auto found = hold([](const Copied& a) {
    copy(a);
    for (int column = 0; column < width; ++column)
      a.y.as<float>()[at(1, 63, column)] += 1e-2F * a.x.as<float>()[at(1, 64, column)];
  });
  ASSERT_TRUE(found.broken);
  EXPECT_EQ(found.broken->kind, Kind::looks_ahead);
  EXPECT_EQ(found.broken->target, 63);
  EXPECT_EQ(found.broken->source, 64);
  EXPECT_EQ(found.broken->describe(),
            "copied_forward in the model: position 63 changes with position 64, which its kernel "
            "declares not to see (66 tokens, calls)");
}

TEST(KernelContracts, NameAKernelThatMixesSequences) {
  const auto found = hold([](const Copied& a) {
    copy(a);
    for (int position = 0; position < tokens; ++position)
      for (int column = 0; column < width; ++column)
        a.y.as<float>()[at(1, position, column)] += a.x.as<float>()[at(0, position, column)];
  });
  ASSERT_TRUE(found.broken);
  EXPECT_EQ(found.broken->kind, Kind::mixes_rows);
}

TEST(KernelContracts, NameAKernelThatReadsWhatItDoesNotDeclare) {
  const auto found = hold([](const Copied& a) {
    copy(a);
    for (int column = 0; column < width; ++column)
      a.y.as<float>()[at(0, 65, column)] += a.x.as<float>()[at(0, 0, column)];
  });
  ASSERT_TRUE(found.broken);
  EXPECT_EQ(found.broken->kind, Kind::undeclared);
  EXPECT_EQ(found.broken->target, 65);
}

// [B, G, H / G, T, S]: the other head of a group is no other position.
TEST(KernelContracts, NameTheHeadThatIsReadInPlaceOfAnother) {
  const auto found = hold(
      [](const Copied& a) {
        const auto head = tokens * width;
        for (std::int64_t i = 0; i < rows * 4 * head; ++i) {
          const auto other = i / head % 2 == 0 ? i + head : i - head;
          a.y.as<float>()[i] = a.x.as<float>()[other];
          a.scratch.as<float>()[i] = 0;
        }
      },
      {rows, 2, 2, tokens, width});
  ASSERT_TRUE(found.broken);
  EXPECT_EQ(found.broken->kind, Kind::undeclared);
  EXPECT_EQ(found.broken->target, 0);
}

TEST(KernelContracts, NameAKernelThatIsNotRepeatable) {
  const auto found = hold([](const Copied& a) {
    static float calls = 0;
    copy(a);
    a.y.as<float>()[7] = ++calls;
  });
  ASSERT_TRUE(found.broken);
  EXPECT_EQ(found.broken->kind, Kind::not_repeatable);
}

TEST(KernelContracts, HoldForEveryKindOfModel) {
  const SmallSubjects small;
  for (const auto* preset : {"method1", "method5.7", "linear", "dcmha", "longformer"}) {
    const auto subject = small.subject(preset);
    const auto found =
        hold_kernels_to_contracts(*subject.model(), run_paths(), {subject.random_ids(2, 66)});
    EXPECT_FALSE(found.broken) << preset << ": " << found.broken->describe();
    EXPECT_GT(found.calls, 30) << preset;
    EXPECT_GT(found.changes, 500) << preset;
  }
}

}  // namespace
}  // namespace lookback::tests
