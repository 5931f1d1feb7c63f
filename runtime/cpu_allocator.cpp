#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "runtime/allocator.h"

namespace lookback {
namespace {

constexpr std::size_t alignment = 64;

}  // namespace

// Four classes between two powers of two: at most a quarter of a block is lost, and blocks of
// nearby sizes are interchangeable. Small requests share the class of 64 bytes.
std::size_t block_bytes_of(std::size_t bytes) {
  if (bytes <= alignment) return alignment;
  const std::size_t step = std::max(alignment, std::bit_floor(bytes - 1) / 4);
  return (bytes + step - 1) / step * step;
}

namespace {

class CpuAllocator final : public Allocator {
 public:
  ~CpuAllocator() override { release_cached(); }

  std::byte* allocate(std::size_t bytes) override {
    if (bytes > (std::size_t{1} << 62)) out_of_memory(bytes);
    const auto block_bytes = block_bytes_of(bytes);
    const std::lock_guard guard(mutex);
    auto* block = take_cached(block_bytes);
    if (block == nullptr) block = fresh(block_bytes);
    if (block == nullptr) {
      free_all_cached();
      block = fresh(block_bytes);
    }
    if (block == nullptr) out_of_memory(bytes);
    books.live_bytes += block_bytes;
    books.peak_bytes = std::max(books.peak_bytes, books.live_bytes);
#ifndef NDEBUG
    std::memset(block, 0xff, block_bytes);  // NaN in every floating type
#endif
    return block;
  }

  void deallocate(std::byte* block, std::size_t bytes) noexcept override {
    const auto block_bytes = block_bytes_of(bytes);
    const std::lock_guard guard(mutex);
    books.live_bytes -= block_bytes;
    try {
      cache[block_bytes].push_back(block);
      books.cached_bytes += block_bytes;
    } catch (const std::bad_alloc&) {
      std::free(block);
    }
  }

  void fill_zero(std::byte* block, std::size_t bytes) override {
    if (bytes > 0) std::memset(block, 0, bytes);
  }

  MemoryStats stats() const override {
    const std::lock_guard guard(mutex);
    return with_largest_free_block();
  }

  void reset_peak_bytes() override {
    const std::lock_guard guard(mutex);
    books.peak_bytes = books.live_bytes;
  }

  void release_cached() override {
    const std::lock_guard guard(mutex);
    free_all_cached();
  }

 private:
  static std::byte* fresh(std::size_t block_bytes) {
    return static_cast<std::byte*>(std::aligned_alloc(alignment, block_bytes));
  }

  std::byte* take_cached(std::size_t block_bytes) {
    const auto found = cache.find(block_bytes);
    if (found == cache.end() || found->second.empty()) return nullptr;
    auto* block = found->second.back();
    found->second.pop_back();
    books.cached_bytes -= block_bytes;
    return block;
  }

  void free_all_cached() {
    for (auto& [block_bytes, blocks] : cache) {
      for (auto* block : blocks) std::free(block);
    }
    cache.clear();
    books.cached_bytes = 0;
  }

  MemoryStats with_largest_free_block() const {
    auto result = books;
    for (const auto& [block_bytes, blocks] : cache) {
      if (!blocks.empty()) result.largest_free_block_bytes = block_bytes;
    }
    return result;
  }

  [[noreturn]] void out_of_memory(std::size_t bytes) const {
    const auto now = with_largest_free_block();
    throw OutOfMemory(
        fmt::format("[memory] out of memory on cpu: {} bytes asked for, {} bytes live, {} bytes "
                    "cached, largest free block {} bytes",
                    bytes, now.live_bytes, now.cached_bytes, now.largest_free_block_bytes));
  }

  mutable std::mutex mutex;
  MemoryStats books;
  std::map<std::size_t, std::vector<std::byte*>> cache;
};

}  // namespace

Allocator& cpu_allocator() {
  // Never destroyed: tensors with static lifetime may still give blocks back at exit.
  static auto& cpu = *new CpuAllocator;
  return cpu;
}

}  // namespace lookback
