#include "runtime/storage.h"

#include "runtime/allocator.h"

namespace lookback {

Storage::Storage(std::size_t size_bytes, Device device)
    : block_(allocator_for(device).allocate(size_bytes)), size_bytes_(size_bytes), place_(device) {
  if (place_.backend != Backend::cpu) {
    detail::blocks_elsewhere.fetch_add(1, std::memory_order_relaxed);
  }
}

Storage::Storage(std::byte* data, std::size_t size_bytes, std::shared_ptr<const void> owner)
    : block_(data), size_bytes_(size_bytes), foreign_owner_(std::move(owner)) {}

Storage::~Storage() {
  if (foreign_owner_) return;
  allocator_for(place_).deallocate(block_, size_bytes_);
  if (place_.backend != Backend::cpu) {
    detail::blocks_elsewhere.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace lookback
