#include "runtime/caching_allocator.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "runtime/check.h"

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

CachingAllocator::CachingAllocator(std::string device, std::string advice, BlockReuse block_reuse)
    : device_(std::move(device)), what_helps_(std::move(advice)), reuse_(block_reuse) {}

// At least one byte: a system may give no address for none.
std::size_t CachingAllocator::block_bytes(std::size_t requested_bytes) const {
  return reuse_ == BlockReuse::never ? std::max<std::size_t>(requested_bytes, 1)
                                     : block_bytes_of(requested_bytes);
}

std::byte* CachingAllocator::allocate(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 62)) out_of_memory(bytes);
  const auto size = block_bytes(bytes);
  const std::lock_guard guard(mutex_);
  auto* block = take_cached(size);
  if (block == nullptr) block = fresh(size);
  if (block == nullptr) {
    free_all_cached();
    block = fresh(size);
  }
  if (block == nullptr) out_of_memory(bytes);
  ++live_blocks_[size];
  books_.live_bytes += size;
  books_.peak_bytes = std::max(books_.peak_bytes, books_.live_bytes);
#ifndef NDEBUG
  // So that what a block held before is not taken for what a kernel has written.
  if (reuse_ == BlockReuse::by_size_class) poison(block, size);
#endif
  return block;
}

void CachingAllocator::deallocate(std::byte* block, std::size_t bytes) noexcept {
  const auto size = block_bytes(bytes);
  const std::lock_guard guard(mutex_);
  books_.live_bytes -= size;
  const auto found = live_blocks_.find(size);
  if (--found->second == 0) live_blocks_.erase(found);
  if (reuse_ == BlockReuse::never) {
    give_back(block);
    return;
  }
  try {
    cache_[size].push_back(block);
    books_.cached_bytes += size;
  } catch (const std::bad_alloc&) {
    give_back(block);
  }
}

MemoryStats CachingAllocator::stats() const {
  const std::lock_guard guard(mutex_);
  return with_largest_free_block();
}

void CachingAllocator::reset_peak_bytes() {
  const std::lock_guard guard(mutex_);
  books_.peak_bytes = books_.live_bytes;
}

void CachingAllocator::release_cached() {
  const std::lock_guard guard(mutex_);
  free_all_cached();
}

std::byte* CachingAllocator::take_cached(std::size_t block_bytes) {
  const auto found = cache_.find(block_bytes);
  if (found == cache_.end() || found->second.empty()) return nullptr;
  auto* block = found->second.back();
  found->second.pop_back();
  books_.cached_bytes -= block_bytes;
  return block;
}

void CachingAllocator::free_all_cached() noexcept {
  for (auto& [block_bytes, blocks] : cache_) {
    for (auto* block : blocks) give_back(block);
  }
  cache_.clear();
  books_.cached_bytes = 0;
}

MemoryStats CachingAllocator::with_largest_free_block() const {
  auto result = books_;
  for (const auto& [block_bytes, blocks] : cache_) {
    if (!blocks.empty()) result.largest_free_block_bytes = block_bytes;
  }
  return result;
}

void CachingAllocator::out_of_memory(std::size_t bytes) const {
  const auto now = with_largest_free_block();
  const auto largest = live_blocks_.empty() ? 0 : live_blocks_.rbegin()->first;
  throw OutOfMemory(fmt::format(
      "[memory] out of memory on {}: {} bytes asked for, {} bytes live (the largest block {}), {} "
      "bytes cached, largest free block {} bytes{}{}",
      device_, bytes, now.live_bytes, largest, now.cached_bytes, now.largest_free_block_bytes,
      what_helps_.empty() ? "" : ". ", what_helps_));
}

}  // namespace lookback
