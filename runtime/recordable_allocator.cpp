#include "runtime/recordable_allocator.h"

#include "runtime/check.h"

namespace lookback {

RecordableAllocator::RecordableAllocator(Allocator& memory) : source(memory) {}

RecordableAllocator::Blocks::~Blocks() { owner.forget(*this); }

std::unique_ptr<RecordableAllocator::Blocks> RecordableAllocator::keep_blocks_of(
    const std::function<void()>& work) {
  std::unique_ptr<Blocks> blocks(new Blocks(*this));
  {
    const std::lock_guard lock(mutex);
    ++recordings;
    if (recording != nullptr) fail("record", "a recording inside of another");
    recording = blocks.get();
    younger.clear();
  }
  const auto stop = [this] {
    const std::lock_guard lock(mutex);
    recording = nullptr;
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

std::byte* RecordableAllocator::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex);
  std::byte* block = nullptr;
  if (recording != nullptr) {
    auto& free = recording->free[source.block_bytes(bytes)];
    if (free.empty()) {
      block = source.allocate(bytes);
    } else {
      block = free.back();
      free.pop_back();
    }
    blocks_of[block] = recording;
    return block;
  }
  block = source.allocate(bytes);
  if (recordings > 0) younger.insert(block);
  return block;
}

void RecordableAllocator::deallocate(std::byte* block, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex);
  if (const auto recorded = blocks_of.find(block); recorded != blocks_of.end()) {
    recorded->second->free[source.block_bytes(bytes)].push_back(block);
    blocks_of.erase(recorded);
  } else if (recordings > 0 && younger.erase(block) == 0) {
    kept.push_back({block, bytes});
  } else {
    source.deallocate(block, bytes);
  }
}

// What tensors still hold of it is theirs alone from now on.
void RecordableAllocator::forget(Blocks& blocks) noexcept {
  const std::lock_guard lock(mutex);
  for (const auto& [bytes, free] : blocks.free) {
    for (auto* block : free) source.deallocate(block, bytes);
  }
  std::erase_if(blocks_of, [&](const auto& entry) { return entry.second == &blocks; });
  if (--recordings > 0) return;
  for (const auto& [block, bytes] : kept) source.deallocate(block, bytes);
  kept.clear();
  younger.clear();
}

}  // namespace lookback
