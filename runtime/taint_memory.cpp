#include "runtime/taint_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::size_t alignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// For each byte of data, a set and a flag: enough for elements of one byte. What larger elements
// leave over is address space that is never touched, and so no memory.
struct Layout {
  explicit Layout(std::size_t bytes)
      : data(aligned(std::max<std::size_t>(bytes, 1))), total(data * (2 + sizeof(std::uint64_t))) {}
  std::size_t data;
  std::size_t total;
};

class TaintAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t bytes) override {
    const Layout layout(bytes);
    // Fresh pages are zero: cells that are unknown and depend on nothing.
    void* const memory = mmap(nullptr, layout.total, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw OutOfMemory(fmt::format(
          "[memory] out of memory on taint: {} bytes asked for, {} bytes live", bytes, live()));
    }
    auto* const data = static_cast<std::byte*>(memory);
    auto* const sets = data + layout.data;
    auto* const known = sets + layout.data * sizeof(std::uint64_t);
    const std::lock_guard lock(mutex_);
    blocks_[data] = {.data = data,
                     .bytes = layout.data,
                     .sets = reinterpret_cast<std::uint64_t*>(sets),
                     .known = reinterpret_cast<std::uint8_t*>(known),
                     .serial = ++made_};
    books_.live_bytes += layout.data;
    books_.peak_bytes = std::max(books_.peak_bytes, books_.live_bytes);
    return data;
  }

  void deallocate(std::byte* block, std::size_t bytes) noexcept override {
    const Layout layout(bytes);
    {
      const std::lock_guard lock(mutex_);
      blocks_.erase(block);
      books_.live_bytes -= layout.data;
    }
    munmap(block, layout.total);
  }

  std::size_t block_bytes(std::size_t requested_bytes) const override {
    return Layout(requested_bytes).data;
  }

  void fill_zero(std::byte* block, std::size_t bytes) override {
    const auto found = block_of(block);
    std::memset(found.sets, 0, bytes * sizeof(std::uint64_t));
    std::memset(found.known, 1, bytes);
    std::memset(block, 0, bytes);
  }

  MemoryStats stats() const override {
    const std::lock_guard lock(mutex_);
    return books_;
  }

  void reset_peak_bytes() override {
    const std::lock_guard lock(mutex_);
    books_.peak_bytes = books_.live_bytes;
  }

  void release_cached() override {}

  TaintBlock block_of(const void* address) const {
    const auto* const byte = static_cast<const std::byte*>(address);
    const std::lock_guard lock(mutex_);
    auto next = blocks_.upper_bound(const_cast<std::byte*>(byte));
    if (next != blocks_.begin()) {
      const auto& block = std::prev(next)->second;
      if (byte <= block.data + block.bytes) return block;
    }
    fail("taint", "an address that is not in the memory of the taint device");
  }

 private:
  std::size_t live() const { return stats().live_bytes; }

  mutable std::mutex mutex_;
  std::map<std::byte*, TaintBlock> blocks_;
  MemoryStats books_;
  std::uint64_t made_ = 0;
};

TaintAllocator& allocator() {
  // Never destroyed: tensors with static lifetime may still give blocks back at exit.
  static auto& taint = *new TaintAllocator;
  return taint;
}

}  // namespace

Allocator& taint_allocator() { return allocator(); }

TaintBlock taint_block_of(const void* address) { return allocator().block_of(address); }

}  // namespace lookback
