#include <cstdlib>
#include <cstring>

#include "runtime/caching_allocator.h"

namespace lookback {
namespace {

class CpuAllocator final : public CachingAllocator {
 public:
  CpuAllocator() : CachingAllocator("cpu") {}
  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes > 0) std::memset(block, 0, bytes);
  }

 private:
  std::byte* fresh(std::size_t bytes) override {
    constexpr std::size_t alignment = 64;
    return static_cast<std::byte*>(std::aligned_alloc(alignment, bytes));
  }
  void give_back(std::byte* block) noexcept override { std::free(block); }
  void poison(std::byte* block, std::size_t bytes) override { std::memset(block, 0xff, bytes); }
};

}  // namespace

Allocator& cpu_allocator() {
  // Never destroyed: tensors with static lifetime may still give blocks back at exit.
  static auto& cpu = *new CpuAllocator;
  return cpu;
}

}  // namespace lookback
