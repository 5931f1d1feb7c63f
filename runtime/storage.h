// One block of memory, shared by all the tensors that look into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/device.h"

namespace lookback {

class Storage {
 public:
  // A fresh block from the device's allocator.
  Storage(std::size_t size_bytes, Device device);
  // Foreign memory (a mapped file), kept alive by `owner`.
  Storage(std::byte* data, std::size_t size_bytes, std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return block_; }
  std::size_t bytes() const { return size_bytes_; }
  Device device() const { return place_; }
  // Counts in-place writes, so that backward can tell a saved tensor that has changed since.
  std::uint64_t version() const { return writes_; }
  void bump_version() { ++writes_; }

 private:
  std::byte* block_ = nullptr;
  std::size_t size_bytes_ = 0;
  Device place_;
  std::uint64_t writes_ = 0;
  std::shared_ptr<const void> foreign_owner_;
};

}  // namespace lookback
