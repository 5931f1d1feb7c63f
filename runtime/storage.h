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
  Storage(std::size_t bytes, Device device);
  // Foreign memory (a mapped file), kept alive by `owner`.
  Storage(std::byte* data, std::size_t bytes, std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return block; }
  std::size_t bytes() const { return size_bytes; }
  Device device() const { return place; }
  // Counts in-place writes, so that backward can tell a saved tensor that has changed since.
  std::uint64_t version() const { return writes; }
  void bump_version() { ++writes; }

 private:
  std::byte* block = nullptr;
  std::size_t size_bytes = 0;
  Device place;
  std::uint64_t writes = 0;
  std::shared_ptr<const void> foreign_owner;
};

}  // namespace lookback
