// An allocator whose blocks can be kept in place for captured work (runtime/captured_work.h), which
// will read and write the same addresses each time it is launched.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/allocator.h"

namespace lookback {

class CapturableAllocator final : public Allocator {
 public:
  // Takes its memory from `source`, which outlives it. What is kept counts as live there.
  explicit CapturableAllocator(Allocator& source);

  // The blocks of one capture. While it lives, no other request is given
  //   - a block that was allocated in keep_blocks_of(): given back by a tensor, it waits for the
  //     next request in there that `source` would give a block of its size;
  //   - a block that was live when the capture began.
  // It goes before the allocator does.
  class Blocks {
   public:
    ~Blocks();
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;

   private:
    friend class CapturableAllocator;
    explicit Blocks(CapturableAllocator& owner) : owner_(owner) {}
    CapturableAllocator& owner_;
    std::map<std::size_t, std::vector<std::byte*>> free_;  // by the size of a block
  };
  // What work() allocates belongs to the result. One capture at a time.
  std::unique_ptr<Blocks> keep_blocks_of(const std::function<void()>& work);

  std::byte* allocate(std::size_t bytes) override;
  void deallocate(std::byte* block, std::size_t bytes) noexcept override;
  void fill_zero(std::byte* block, std::size_t bytes) override { source_.fill_zero(block, bytes); }
  std::size_t block_bytes(std::size_t requested_bytes) const override {
    return source_.block_bytes(requested_bytes);
  }
  MemoryStats stats() const override { return source_.stats(); }
  void reset_peak_bytes() override { source_.reset_peak_bytes(); }
  void release_cached() override { source_.release_cached(); }

 private:
  struct KeptBlock {
    std::byte* block;
    std::size_t bytes;
  };
  void forget(Blocks& blocks) noexcept;

  Allocator& source_;
  std::mutex mutex_;
  Blocks* capture_ = nullptr;                          // where allocations go at present
  int captures_ = 0;                                   // that live
  std::unordered_map<std::byte*, Blocks*> blocks_of_;  // of those captures, handed out
  std::unordered_set<std::byte*> younger_;             // allocated since the last capture ended
  std::vector<KeptBlock> kept_;  // older than a capture, let go since; until the last one goes
};

}  // namespace lookback
