// Blocks in size classes, kept for the next request: what the CPU's and a GPU's allocator share.
// Or, for tools that watch every access (compute-sanitizer), each block fresh and of exactly the
// size that was asked for: an access that is one byte off then leaves what the system gave.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/allocator.h"

namespace lookback {

enum class BlockReuse { by_size_class, never };

class CachingAllocator : public Allocator {
 public:
  std::byte* allocate(std::size_t bytes) final;
  void deallocate(std::byte* block, std::size_t bytes) noexcept final;
  MemoryStats stats() const final;
  void reset_peak_bytes() final;
  std::size_t block_bytes(std::size_t requested_bytes) const final;
  void release_cached() final;

 protected:
  // `advice`, where there is any, closes the message of OutOfMemory.
  explicit CachingAllocator(std::string device, std::string advice = {},
                            BlockReuse block_reuse = BlockReuse::by_size_class);
  // The system's memory, aligned to 64 bytes at least; null where it has none left.
  virtual std::byte* fresh(std::size_t bytes) = 0;
  virtual void give_back(std::byte* block) noexcept = 0;
  // NaN in every floating type, in debug builds.
  virtual void poison(std::byte* block, std::size_t bytes) = 0;

 private:
  std::byte* take_cached(std::size_t block_bytes);
  void free_all_cached() noexcept;
  MemoryStats with_largest_free_block() const;
  [[noreturn]] void out_of_memory(std::size_t bytes) const;

  std::string device_;
  std::string what_helps_;
  BlockReuse reuse_;
  mutable std::mutex mutex_;
  MemoryStats books_;
  std::map<std::size_t, std::vector<std::byte*>> cache_;
  std::map<std::size_t, std::size_t> live_blocks_;  // by size: how many
};

}  // namespace lookback
