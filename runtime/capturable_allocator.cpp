#include "runtime/capturable_allocator.h"

#include "runtime/check.h"

namespace lookback {

CapturableAllocator::CapturableAllocator(Allocator& memory) : source_(memory) {}

CapturableAllocator::Blocks::~Blocks() { owner_.forget(*this); }

std::unique_ptr<CapturableAllocator::Blocks> CapturableAllocator::keep_blocks_of(
    const std::function<void()>& work) {
  std::unique_ptr<Blocks> blocks(new Blocks(*this));
  {
    const std::lock_guard lock(mutex_);
    ++captures_;
    if (capture_ != nullptr) fail("capture", "a capture inside of another");
    capture_ = blocks.get();
    younger_.clear();
  }
  const auto stop = [this] {
    const std::lock_guard lock(mutex_);
    capture_ = nullptr;
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
  const std::lock_guard lock(mutex_);
  std::byte* block = nullptr;
  if (capture_ != nullptr) {
    auto& free = capture_->free_[source_.block_bytes(bytes)];
    if (free.empty()) {
      block = source_.allocate(bytes);
    } else {
      block = free.back();
      free.pop_back();
    }
    blocks_of_[block] = capture_;
    return block;
  }
  block = source_.allocate(bytes);
  if (captures_ > 0) younger_.insert(block);
  return block;
}

void CapturableAllocator::deallocate(std::byte* block, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  if (const auto captured = blocks_of_.find(block); captured != blocks_of_.end()) {
    captured->second->free_[source_.block_bytes(bytes)].push_back(block);
    blocks_of_.erase(captured);
  } else if (captures_ > 0 && younger_.erase(block) == 0) {
    kept_.push_back({block, bytes});
  } else {
    source_.deallocate(block, bytes);
  }
}

// What tensors still hold of it is theirs alone from now on.
void CapturableAllocator::forget(Blocks& blocks) noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& [bytes, free] : blocks.free_) {
    for (auto* block : free) source_.deallocate(block, bytes);
  }
  std::erase_if(blocks_of_, [&](const auto& entry) { return entry.second == &blocks; });
  if (--captures_ > 0) return;
  for (const auto& [block, bytes] : kept_) source_.deallocate(block, bytes);
  kept_.clear();
  younger_.clear();
}

}  // namespace lookback
