#include "runtime/capturable_allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lookback {
namespace {

// Hands out numbered blocks of no memory at all, in sizes of eight bytes each, and knows which are
// out.
class CountingAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t bytes) override {
    if (bytes > most) throw OutOfMemory("[memory] too much");
    out.push_back(reinterpret_cast<std::byte*>(++last * 64));
    return out.back();
  }
  void deallocate(std::byte* block, std::size_t) noexcept override { std::erase(out, block); }
  void fill_zero(std::byte*, std::size_t) override {}
  std::size_t block_bytes(std::size_t requested_bytes) const override {
    return (requested_bytes + 7) / 8 * 8;
  }
  MemoryStats stats() const override { return {.live_bytes = out.size()}; }
  void reset_peak_bytes() override {}
  void release_cached() override {}
  bool holds(std::byte* block) const { return std::ranges::find(out, block) != out.end(); }

  static constexpr std::size_t most = 1000;
  std::vector<std::byte*> out;
  std::uintptr_t last = 0;
};

class CapturableMemory : public ::testing::Test {
 protected:
  CountingAllocator source_;
  CapturableAllocator memory_{source_};
};

TEST_F(CapturableMemory, PassesEverythingOnWithoutACapture) {
  auto* block = memory_.allocate(8);
  EXPECT_TRUE(source_.holds(block));
  memory_.deallocate(block, 8);
  EXPECT_TRUE(source_.out.empty());
}

TEST_F(CapturableMemory, KeepsWhatACaptureAllocated) {
  std::byte *inside = nullptr, *again = nullptr, *larger = nullptr;
  auto blocks = memory_.keep_blocks_of([&] {
    inside = memory_.allocate(8);
    memory_.deallocate(inside, 8);
    again = memory_.allocate(8);    // the one that came back
    larger = memory_.allocate(16);  // none of its size is there
  });
  EXPECT_EQ(inside, again);
  EXPECT_NE(again, larger);
  memory_.deallocate(again, 8);
  memory_.deallocate(larger, 16);
  auto* outside = memory_.allocate(8);
  EXPECT_NE(outside, inside);
  EXPECT_TRUE(source_.holds(inside));
  EXPECT_TRUE(source_.holds(larger));
  blocks = nullptr;
  EXPECT_EQ(source_.out, std::vector{outside});
  memory_.deallocate(outside, 8);
  EXPECT_TRUE(source_.out.empty());
}

// A step has many sizes that differ by little: each with blocks of its own would need the sum of
// what each size needs at its peak.
TEST_F(CapturableMemory, RequestsOfOneSizeClassShareABlockOfACapture) {
  std::byte *first = nullptr, *second = nullptr, *larger = nullptr;
  auto blocks = memory_.keep_blocks_of([&] {
    first = memory_.allocate(20);
    memory_.deallocate(first, 20);
    second = memory_.allocate(22);
    memory_.deallocate(second, 22);
    larger = memory_.allocate(25);
    memory_.deallocate(larger, 25);
  });
  EXPECT_EQ(first, second);
  EXPECT_NE(first, larger);
  EXPECT_EQ(source_.out.size(), 2U);
  blocks = nullptr;
  EXPECT_TRUE(source_.out.empty());
}

TEST_F(CapturableMemory, KeepsWhatLivedWhenACaptureBegan) {
  auto* parameter = memory_.allocate(8);
  auto* other = memory_.allocate(8);
  auto blocks = memory_.keep_blocks_of([&] { memory_.deallocate(other, 8); });
  auto* later = memory_.allocate(8);
  memory_.deallocate(later, 8);
  EXPECT_FALSE(source_.holds(later));
  memory_.deallocate(parameter, 8);
  EXPECT_TRUE(source_.holds(parameter));
  EXPECT_TRUE(source_.holds(other));
  blocks = nullptr;
  EXPECT_TRUE(source_.out.empty());
}

TEST_F(CapturableMemory, ATensorMayOutliveTheCaptureItCameFrom) {
  std::byte* result = nullptr;
  auto blocks = memory_.keep_blocks_of([&] { result = memory_.allocate(8); });
  blocks = nullptr;
  EXPECT_TRUE(source_.holds(result));
  memory_.deallocate(result, 8);
  EXPECT_TRUE(source_.out.empty());
}

TEST_F(CapturableMemory, TwoCapturesShareNoBlock) {
  std::byte *first = nullptr, *second = nullptr;
  auto one = memory_.keep_blocks_of([&] { first = memory_.allocate(8); });
  memory_.deallocate(first, 8);
  auto* between = memory_.allocate(8);
  auto two = memory_.keep_blocks_of([&] { second = memory_.allocate(8); });
  EXPECT_NE(first, second);
  memory_.deallocate(between, 8);
  EXPECT_TRUE(source_.holds(between));  // the second may work on it
  one = nullptr;
  EXPECT_FALSE(source_.holds(first));
  EXPECT_TRUE(source_.holds(between));
  memory_.deallocate(second, 8);
  two = nullptr;
  EXPECT_TRUE(source_.out.empty());
}

TEST_F(CapturableMemory, WhatFailsInACaptureLeavesNothingBehind) {
  EXPECT_THROW(static_cast<void>(memory_.keep_blocks_of([&] {
                 memory_.deallocate(memory_.allocate(8), 8);
                 static_cast<void>(memory_.allocate(2000));
               })),
               OutOfMemory);
  EXPECT_TRUE(source_.out.empty());
  EXPECT_THROW(static_cast<void>(memory_.keep_blocks_of(
                   [&] { static_cast<void>(memory_.keep_blocks_of([] {})); })),
               Error);
  auto* block = memory_.allocate(8);
  memory_.deallocate(block, 8);
  EXPECT_TRUE(source_.out.empty());
}

}  // namespace
}  // namespace lookback
