#include "runtime/storage.h"

#include "runtime/allocator.h"

namespace lookback {

Storage::Storage(std::size_t bytes, Device device)
    : block(allocator_for(device).allocate(bytes)), size_bytes(bytes), place(device) {
  if (place.backend != Backend::cpu) {
    detail::blocks_elsewhere.fetch_add(1, std::memory_order_relaxed);
  }
}

Storage::Storage(std::byte* data, std::size_t bytes, std::shared_ptr<const void> owner)
    : block(data), size_bytes(bytes), foreign_owner(std::move(owner)) {}

Storage::~Storage() {
  if (foreign_owner) return;
  allocator_for(place).deallocate(block, size_bytes);
  if (place.backend != Backend::cpu) {
    detail::blocks_elsewhere.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace lookback
