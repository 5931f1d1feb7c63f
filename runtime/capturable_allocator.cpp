#include "runtime/capturable_allocator.h"

#include "runtime/check.h"

namespace lookback {

CapturableAllocator::CapturableAllocator(Allocator& memory) : source(memory) {}

CapturableAllocator::Blocks::~Blocks() { owner.forget(*this); }

std::unique_ptr<CapturableAllocator::Blocks> CapturableAllocator::keep_blocks_of(
    const std::function<void()>& work) {
  std::unique_ptr<Blocks> blocks(new Blocks(*this));
  {
    const std::lock_guard lock(mutex);
    ++captures;
    if (capture != nullptr) fail("capture", "a capture inside of another");
    capture = blocks.get();
    younger.clear();
  }
  const auto stop = [this] {
    const std::lock_guard lock(mutex);
    capture = nullptr;
  };
  try {
    work();
  } catch (...) {
    stop();
    throw;
  }
  stop();
  return blocks;
}

std::byte* CapturableAllocator::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex);
  std::byte* block = nullptr;
  if (capture != nullptr) {
    auto& free = capture->free[source.block_bytes(bytes)];
    if (free.empty()) {
      block = source.allocate(bytes);
    } else {
      block = free.back();
      free.pop_back();
    }
    blocks_of[block] = capture;
    return block;
  }
  block = source.allocate(bytes);
  if (captures > 0) younger.insert(block);
  return block;
}

void CapturableAllocator::deallocate(std::byte* block, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex);
  if (const auto captured = blocks_of.find(block); captured != blocks_of.end()) {
    captured->second->free[source.block_bytes(bytes)].push_back(block);
    blocks_of.erase(captured);
  } else if (captures > 0 && younger.erase(block) == 0) {
    kept.push_back({block, bytes});
  } else {
    source.deallocate(block, bytes);
  }
}

// What tensors still hold of it is theirs alone from now on.
void CapturableAllocator::forget(Blocks& blocks) noexcept {
  const std::lock_guard lock(mutex);
  for (const auto& [bytes, free] : blocks.free) {
    for (auto* block : free) source.deallocate(block, bytes);
  }
  std::erase_if(blocks_of, [&](const auto& entry) { return entry.second == &blocks; });
  if (--captures > 0) return;
  for (const auto& [block, bytes] : kept) source.deallocate(block, bytes);
  kept.clear();
  younger.clear();
}

}  // namespace lookback
