#include "runtime/caching_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lookback {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Numbered blocks of no memory at all; notes what the system was asked for and what it has back.
class CountedMemory final : public CachingAllocator {
 public:
  explicit CountedMemory(BlockReuse kind) : CachingAllocator("test", "Ask for less", kind) {}
  void fill_zero(std::byte*, std::size_t) override {}

  std::vector<std::size_t> asked_for;
  std::vector<std::byte*> given_back;

 private:
  std::byte* fresh(std::size_t bytes) override {
    if (bytes > 1000) return nullptr;
    asked_for.push_back(bytes);
    return reinterpret_cast<std::byte*>(++last_ * 64);
  }
  void give_back(std::byte* block) noexcept override { given_back.push_back(block); }
  void poison(std::byte*, std::size_t) override {}

  std::uintptr_t last_ = 0;
};

TEST(CachingMemory, GivesABlockAgainToARequestOfItsSizeClass) {
  CountedMemory memory(BlockReuse::by_size_class);
  auto* block = memory.allocate(130);
  memory.deallocate(block, 130);
  EXPECT_EQ(memory.allocate(190), block);
  EXPECT_EQ(memory.block_bytes(130), memory.block_bytes(190));
  EXPECT_THAT(memory.asked_for, ElementsAre(192));
  EXPECT_THAT(memory.given_back, IsEmpty());
}

// What a checker of every access needs: no byte beyond the request, and no block with a past.
TEST(CachingMemory, WithoutReuseEveryBlockIsFreshAndOfExactlyItsSize) {
  CountedMemory memory(BlockReuse::never);
  auto* once = memory.allocate(130);
  memory.deallocate(once, 130);
  auto* again = memory.allocate(130);
  auto* empty = memory.allocate(0);
  EXPECT_NE(once, again);
  EXPECT_THAT(memory.asked_for, ElementsAre(130, 130, 1));
  EXPECT_THAT(memory.given_back, ElementsAre(once));
  EXPECT_EQ(memory.stats().live_bytes, 131U);
  EXPECT_EQ(memory.stats().cached_bytes, 0U);
  memory.deallocate(again, 130);
  memory.deallocate(empty, 0);
  EXPECT_EQ(memory.stats().live_bytes, 0U);
}

TEST(CachingMemory, ABlockSizeIsItsOwnSizeClass) {
  const CountedMemory reused(BlockReuse::by_size_class), exact(BlockReuse::never);
  for (std::size_t bytes = 0; bytes < 5000; ++bytes) {
    for (const auto* memory : {&reused, &exact}) {
      const auto size = memory->block_bytes(bytes);
      ASSERT_GE(size, bytes);
      ASSERT_EQ(memory->block_bytes(size), size);
    }
  }
}

TEST(CachingMemory, RunningOutNamesWhatWasAskedForAndWhatHelps) {
  for (const auto reuse : {BlockReuse::by_size_class, BlockReuse::never}) {
    CountedMemory memory(reuse);
    memory.allocate(100);
    try {
      memory.allocate(2000);
      FAIL();
    } catch (const OutOfMemory& error) {
      EXPECT_THAT(error.what(), HasSubstr("on test: 2000 bytes asked for, "));
      EXPECT_THAT(error.what(), HasSubstr("Ask for less"));
    }
  }
}

}  // namespace
}  // namespace lookback
